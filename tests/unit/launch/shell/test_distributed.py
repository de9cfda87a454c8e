"""Joining other processes: flags that fit together, and a group that is not half on."""

import pytest

from launch.shell import distributed


@pytest.mark.parametrize(("coordinator", "count", "process", "said"), [
    ("a:1", None, None, "--num_processes is missing: give all of --coordinator, --num_processes and --process_id"),
    (None, 2, 0, "--coordinator is missing"),
    ("a:1", 2, None, "--process_id is missing"),
    ("a", 2, 0, "--coordinator=a: give HOST:PORT"),
    ("a:1", 2, 2, "--process_id=2: must be below --num_processes=2; they count from 0"),
])
def test_flags_that_do_not_fit_together_are_named(coordinator, count, process, said):
    with pytest.raises(ValueError, match=said):
        distributed.check({"coordinator": coordinator, "num_processes": count, "process_id": process})


@pytest.fixture
def joined(monkeypatch):
    """joined(error): what jax.distributed is asked for; it raises `error`."""
    def play(error=None, **flags):
        asked = []

        def initialize(*given, **options):
            asked.append((given, options))
            if error is not None:
                raise error

        monkeypatch.setattr(distributed.jax.distributed, "initialize", initialize)
        for name, flag in (("coordinator", "_COORDINATOR"), ("num_processes", "_COUNT"), ("process_id", "_PROCESS")):
            monkeypatch.setattr(distributed, flag, type("Flag", (), {"value": flags.get(name)}))
        distributed.join()
        return asked[0]

    return play


def test_a_program_of_one_process_goes_on_alone(joined):
    given, _ = joined(ValueError("coordinator_address should be defined."))
    assert given == (None, None, None)


def test_flags_are_handed_on(joined):
    given, options = joined(coordinator="a:1", num_processes=2, process_id=1)
    assert given == ("a:1", 2, 1) and options["heartbeat_timeout_seconds"] == 60


def test_what_the_cluster_lacks_and_who_does_not_come_is_one_line(joined):
    with pytest.raises(ValueError, match="not whole: Number of processes must be defined. Give all of --coordinator"):
        joined(ValueError("Number of processes must be defined."))
    with pytest.raises(ConnectionError, match=r"--coordinator=a:1: the processes did not .* 300 s \(DEADLINE\); start"):
        joined(RuntimeError("DEADLINE\nmore"), coordinator="a:1", num_processes=2, process_id=1)
