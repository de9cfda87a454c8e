"""Groups of processes, all in this one, over real connections."""

import asyncio
import concurrent.futures
import re
import threading
import time

import pytest

from launch.shell import peers
from tests import processes


@pytest.fixture
def play(monkeypatch, capsys):
    """Groups of fast habits; play.ends: exit statuses of processes that another one's end took along."""
    monkeypatch.setattr(peers, "JOIN_SECONDS", 1)
    monkeypatch.setattr(peers, "SILENT_SECONDS", 1)
    monkeypatch.setattr(peers, "_BEAT_SECONDS", 0.2)
    monkeypatch.setattr(peers, "_GRACE_SECONDS", 0.2)
    monkeypatch.setattr(peers, "_FLUSH_SECONDS", 0)
    made = Play(monkeypatch)
    yield made
    for group in made.groups:
        group._over = True
        asyncio.run_coroutine_threadsafe(closed(group), group._loop).result(60)
        group._loop.call_soon_threadsafe(group._loop.stop)
        group._thread.join()
        group._loop.close()


async def closed(group):
    """Ends all that a process's end would."""
    for writer in group._writers.values():
        writer.close()
    if hasattr(group, "_server"):
        group._server.close()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0.1)


class Play:
    def __init__(self, monkeypatch):
        self.address, self.ends, self.groups = processes.address(), [], []
        self._ended = threading.Condition()
        monkeypatch.setattr(peers.os, "_exit", self._exit)

    def _exit(self, status):
        with self._ended:
            self.ends.append(status)
            self._ended.notify_all()

    def group(self, number, count=2):
        self.groups.append(peers.Group(self.address, count, number, lambda: "the rest is saved"))
        return self.groups[-1]

    def joined(self, groups):
        """What each `join` returned or raised."""
        with concurrent.futures.ThreadPoolExecutor(len(groups)) as pool:
            futures = [pool.submit(group.join) for group in groups]
            return [future.exception() or future.result() for future in futures]

    def together(self, count):
        groups = [self.group(number, count) for number in range(count)]
        assert not [found for found in self.joined(groups) if isinstance(found, Exception)]
        return groups

    def wait_for(self, count):
        with self._ended:
            assert self._ended.wait_for(lambda: len(self.ends) >= count, 10), self.ends


def killed(group):
    """As the kernel ends a process: nothing is said, connections are closed."""
    def close():
        for writer in group._writers.values():
            writer.write(b'{"le')  # in the middle of a word
            writer.transport.abort()
        group._over = True

    group._loop.call_soon_threadsafe(close)


@pytest.mark.parametrize("last", [0, 2])
def test_who_leaves_in_order_is_not_missed_by_those_who_go_on(play, capsys, last):
    groups = play.together(3)
    for group in groups:
        if group is not groups[last]:
            group.leave()
            killed(group)
    time.sleep(0.8)
    assert not play.ends and not groups[last]._over and capsys.readouterr().err == ""


def test_those_who_do_not_come_are_named_to_all_who_have(play):
    for error in play.joined([play.group(number, 5) for number in (0, 3)]):
        assert isinstance(error, ConnectionError)
        assert f"--coordinator={play.address}: 2 of 5 processes came within 1 s; missing: 1, 2, 4; start" in str(error)


def test_a_process_0_that_is_not_there_is_told(play):
    [error] = play.joined([play.group(1)])
    said = f"--coordinator={play.address}: no process 0 was found there in 1 s (Connection refused); start it, and"
    assert said in str(error)


def test_a_second_process_0_is_refused(play):
    first = play.group(0)
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(first.join)
        time.sleep(0.3)
        [error] = play.joined([play.group(0)])
        assert re.search("process 0 cannot listen there .Address already in use.; is another process 0 run", str(error))
        assert isinstance(waiting.exception(), ConnectionError)


def test_two_of_one_number_and_other_counts_are_refused_all_of_them(play):
    groups = [play.group(number, 4) for number in (0, 1, 1)]
    for error in play.joined(groups):
        assert "were both started as number 1; give all one --num_processes, and each its own" in str(error)
    play.address = processes.address()
    for error in play.joined([play.group(0, 3), play.group(1, 2)]):
        assert re.search("process 1 on .* was started as one of 2, process 0 as one of 3; give all", str(error))


@pytest.mark.parametrize("victim", [0, 1])
def test_who_is_killed_is_named_by_all_others_in_one_line(play, capsys, victim):
    groups = play.together(3)
    killed(groups[victim])
    play.wait_for(2)
    time.sleep(0.5)
    assert play.ends == [1, 1]
    lines = capsys.readouterr().err.splitlines()
    said = f"error: process {victim} on host .* ended without a word .killed, or out of memory., so all processes end; "
    assert len(lines) == 2 and all(re.fullmatch(said + "the rest is saved", line) for line in lines), lines


@pytest.mark.parametrize("victim", [0, 1])
def test_who_is_silent_is_named(play, capsys, victim):
    groups = play.together(2)
    for task in groups[victim]._tasks:
        groups[victim]._loop.call_soon_threadsafe(task.cancel)
    groups[victim]._over = True  # a process that stands still prints nothing
    play.wait_for(1)
    assert re.search(f"process {victim} on host .* gave no sign of life for 1 s", capsys.readouterr().err)


def test_an_error_of_one_is_told_by_the_others_that_have_none_of_their_own(play, capsys):
    groups = play.together(3)
    groups[1].leave("data: not there")
    groups[2].leave("data: not there either")
    play.wait_for(1)
    time.sleep(0.5)
    assert play.ends == [1]  # process 0
    assert re.match("error: process 1 on host .* ended with: data: not there, so all", capsys.readouterr().err)


def test_what_is_none_of_us_is_hung_up_on(play):
    first = play.group(0)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(first.join)
        time.sleep(0.3)
        for text in (b"GET / HTTP/1.1\r\n", b"7\n"):
            host, _, port = play.address.partition(":")
            with peers.socket.create_connection((host, int(port))) as stranger:
                stranger.sendall(text)
                assert stranger.recv(100) == b""
        other = pool.submit(play.group(1).join)
        assert waiting.result() and other.result()


def test_the_tunnel_reaches_process_0_and_stays_open_when_that_is_gone(play):
    first, second = [play.group(number) for number in (0, 1)]
    (_, kept), (near, _) = play.joined([first, second])
    ends = [("127.0.0.1", int(address.rpartition(":")[2])) for address in (kept, near)]
    with peers.socket.create_server(ends[0]) as service, peers.socket.create_connection(ends[1]) as client:
        client.sendall(b"ask")
        far, _ = service.accept()
        assert far.recv(3) == b"ask"
        far.sendall(b"answer")
        assert client.recv(6) == b"answer"
        far.close()
        client.settimeout(0.5)
        for _ in range(3):  # what goes on being asked is not refused either
            client.sendall(b"again")
            time.sleep(0.1)
        with pytest.raises(TimeoutError):
            client.recv(1)
