"""The processes of one program know one another: who has come, who lives, who left and why.

JAX's own coordination service ends a process inside C++ as soon as process 0 dies, with a page of its own and no name,
and its Python callback for that cannot be called (jax 0.10.2: std::bad_cast). So every process keeps one connection to
process 0 over which both send signs of life; and JAX's client reaches its service through a tunnel (tunnels.py) that
stays open on this side when the other end is gone, so that our line comes first. One port serves all of it.
"""

import asyncio
import contextlib
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

from launch.shell import tunnels

JOIN_SECONDS = 300  # for all processes to arrive
SILENT_SECONDS = 60  # without a sign of life a process is taken for dead, and the others end
_BEAT_SECONDS = 5  # between signs of life
_GRACE_SECONDS = 10  # after another process ended with an error of its own: ours, if it has one, is told instead
_LONGEST = 1 << 24  # bytes of a line; the longest has the hosts of all processes
_FLUSH_SECONDS = 1  # a connection that is closed at once may lose what was just written


class Group:
    """All processes of this program, seen from this one. Its work is done in a thread."""

    def __init__(self, address: str, count: int, number: int, left: Callable[[], str] = str):
        """address: HOST:PORT of process 0, the same in all; left: what stays when it ends before its time, in words."""
        self._host, _, port = address.rpartition(":")
        self._host, self._port = self._host.strip("[]"), int(port)
        self.address, self._count, self._number, self._left = address, count, number, left
        self._writers: dict[int, asyncio.StreamWriter] = {}  # to the others; from process 1 on to process 0 alone
        self._hosts = {number: socket.gethostname()}
        self._gone: set[int] = set()  # they said so
        self._lock, self._over, self._refused, self._all_here = threading.Lock(), False, "", asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()  # asyncio itself keeps none alive
        self._service_port = tunnels.free_port()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def join(self) -> tuple[str, str | None]:
        """Waits for all processes: (where JAX's client finds its service, where process 0 keeps it).

        Raises:
          ConnectionError: some did not come within JOIN_SECONDS, process 0 cannot be reached, or two processes have one
            number or count otherwise. Everyone who has come is told the same.
        """
        return self._run(self._call_roll() if self._number == 0 else self._report())

    def leave(self, text: str = "") -> None:
        """This process ends, in order or with an error. Afterwards it says nothing about others any more."""
        with self._lock:
            over, self._over = self._over, True
        if over:  # the line about another process is under way, and is the only one
            time.sleep(SILENT_SECONDS)
        self._run(self._tell({"left": text}))
        if text and self._number == 0:
            time.sleep(_FLUSH_SECONDS)

    def wait(self) -> None:
        """For the line about another process's end, which ends this one; a collective fails before it is known."""
        time.sleep(SILENT_SECONDS + _BEAT_SECONDS)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _call_roll(self) -> tuple[str, str]:
        """Of process 0."""
        try:
            self._server = await asyncio.start_server(self._answer, port=self._port, limit=_LONGEST)
        except OSError as error:
            raise ConnectionError(
                f"--coordinator={self.address}: process 0 cannot listen there ({os.strerror(error.errno)}); is "
                "another process 0 running? Give a free port"
            ) from error
        self._start(self._beat())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._all_here.wait(), JOIN_SECONDS)
        if not self._all_here.is_set():
            missing = ", ".join(str(each) for each in range(self._count) if each not in self._hosts)
            await self._refuse(
                f"--coordinator={self.address}: {len(self._hosts)} of {self._count} processes came within "
                f"{JOIN_SECONDS} s; missing: {missing}; start all of them with this coordinator, which each must reach"
            )
        if self._refused:
            raise ConnectionError(self._refused)
        await self._tell({"here": list(self._hosts.items())})
        service = f"127.0.0.1:{self._service_port}"
        return service, service

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Whoever connects to process 0."""
        with contextlib.closing(writer):
            await self._welcome(reader, writer)

    async def _welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            hello = json.loads(await asyncio.wait_for(reader.readline(), SILENT_SECONDS))
            if hello == "tunnel":
                await tunnels.join(reader, writer, await asyncio.open_connection("127.0.0.1", self._service_port))
                return
            number, count, host = hello["process"], hello["count"], hello["host"]
        except (ValueError, KeyError, TypeError, OSError, TimeoutError):  # none of us
            return
        wrong = ""
        if count != self._count:
            wrong = f"process {number} on {host} was started as one of {count}, process 0 as one of {self._count}"
        elif number in self._hosts:
            wrong = f"processes on {self._hosts[number]} and on {host} were both started as number {number}"
        if wrong:
            self._writers[-1] = writer  # is told as well
            await self._refuse(f"{wrong}; give all one --num_processes, and each its own --process_id")
            return
        self._writers[number], self._hosts[number] = writer, host
        if len(self._hosts) == self._count:
            self._all_here.set()
        await self._watch(number, reader)

    async def _report(self) -> tuple[str, None]:
        """Of the other processes."""
        deadline, reason = time.monotonic() + JOIN_SECONDS, "no answer"
        while 0 not in self._writers:
            try:
                coming = asyncio.open_connection(self._host, self._port, limit=_LONGEST)
                reader, self._writers[0] = await asyncio.wait_for(coming, max(1.0, deadline - time.monotonic()))
            except (OSError, TimeoutError) as error:
                reason = _reason(error) or reason
            if 0 not in self._writers and time.monotonic() > deadline:
                raise ConnectionError(
                    f"--coordinator={self.address}: no process 0 was found there in {JOIN_SECONDS} s ({reason}); start "
                    "it, and give an address of its host that all can reach"
                )
            await asyncio.sleep(0 if 0 in self._writers else 0.5)
        self._hosts[0] = self._host
        await self._tell({"process": self._number, "count": self._count, "host": self._hosts[self._number]})
        self._start(self._beat())
        self._start(self._watch(0, reader))
        await self._all_here.wait()
        if self._refused:
            raise ConnectionError(self._refused)
        self._server = await tunnels.listen(self._host, self._port, "tunnel")
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}", None

    async def _beat(self) -> None:
        while True:
            await self._tell({})
            await asyncio.sleep(_BEAT_SECONDS)

    async def _watch(self, number: int, reader: asyncio.StreamReader) -> None:
        """Reads what another process tells until it is gone."""
        try:
            await self._listen(number, reader)
        except Exception as error:  # whatever it is: one that is not watched could hang all for ever
            await self._end(f"{self._name(number)} cannot be watched any more ({error!r})")

    async def _listen(self, number: int, reader: asyncio.StreamReader) -> None:
        while True:
            try:
                line = await asyncio.wait_for(reader.readline(), SILENT_SECONDS)
            except TimeoutError:
                return await self._lost(number, f"gave no sign of life for {SILENT_SECONDS} s (cut off, or stopped)")
            except OSError:
                line = b""
            if not line.endswith(b"\n"):  # the end, perhaps within a line
                return await self._lost(number, "ended without a word (killed, or out of memory)")
            told = json.loads(line)
            if "here" in told:
                self._hosts = dict(told["here"])
                self._all_here.set()
            if "refused" in told:
                self._refused = told["refused"]
                self._all_here.set()
            if "end" in told:
                await self._end(told["end"])
            if "left" in told:
                self._gone.add(number)
                if told["left"]:
                    await asyncio.sleep(_GRACE_SECONDS)
                    await self._end(f"{self._name(number)} ended with: {told['left']}")

    async def _lost(self, number: int, how: str) -> None:
        if self._refused or number in self._gone:
            return
        if self._all_here.is_set():
            await self._end(f"{self._name(number)} {how}")
        elif number == 0:
            self._refused = f"--coordinator={self.address}: process 0 {how} before all had come; start all again"
            self._all_here.set()
        else:  # it may come again
            self._hosts.pop(number, None)
            self._writers.pop(number, None)

    async def _refuse(self, text: str) -> None:
        self._refused = text
        await self._tell({"refused": text})
        self._all_here.set()

    async def _end(self, text: str) -> None:
        """Tells of another process's end, here and to the others, and ends this process, whatever it is doing."""
        with self._lock:
            if self._over:
                return
            self._over = True
        try:
            await self._tell({"end": text})
            left = self._left()
        except Exception as error:  # whatever it is, this process must not stay
            left = str(error)
        print(f"error: {text}, so all processes end; {left}", file=sys.stderr, flush=True)
        if self._number == 0:
            await asyncio.sleep(_FLUSH_SECONDS)
        os._exit(1)

    async def _tell(self, message: dict[str, Any]) -> None:
        """To everyone who is connected; who does not take it is found by _watch."""
        open_ones = [writer for writer in self._writers.values() if not writer.is_closing()]
        for writer in open_ones:
            writer.write(json.dumps(message).encode() + b"\n")
        for writer in open_ones:
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(writer.drain(), 1)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        self._tasks.add(self._loop.create_task(work))

    def _name(self, number: int) -> str:
        return f"process {number} on host {self._hosts.get(number, 'unknown')}"


def _reason(error: OSError) -> str:
    """Why nothing answers; asyncio's own texts hold addresses and several lines."""
    if isinstance(error, socket.gaierror) or error.errno is None:
        return error.strerror or ""
    return os.strerror(error.errno)


__all__ = ["JOIN_SECONDS", "SILENT_SECONDS", "Group"]
