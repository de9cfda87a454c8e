"""Joining other processes: flags and clusters that fit together, and a group that is not half on."""

import os
import re

import jax
import pytest

from launch.shell import distributed

SLURM = {
    "SLURM_JOB_ID": "4096", "SLURM_STEP_NODELIST": "node[007-008]", "SLURM_NTASKS": "2", "SLURM_PROCID": "1",
    "SLURM_LOCALID": "0",
}
OPEN_MPI = {
    "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911", "OMPI_COMM_WORLD_SIZE": "2",
    "OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_LOCAL_RANK": "0",
}


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
def found(monkeypatch):
    """found(environment, flags): what of a group is found."""
    def play(environment=(), **flags):
        for name in list(os.environ):
            if re.match("SLURM|OMPI|PMI|JAX_COORD", name):
                monkeypatch.delenv(name)
        for name, value in dict(environment).items():
            monkeypatch.setenv(name, value)
        for name, flag in (("coordinator", "_COORDINATOR"), ("num_processes", "_COUNT"), ("process_id", "_PROCESS")):
            monkeypatch.setattr(distributed, flag, type("Flag", (), {"value": flags.get(name)}))
        return distributed.found()

    return play


def test_a_program_of_one_process_goes_on_alone(found, monkeypatch):
    assert found() == ("", 1, 0)
    monkeypatch.setattr(distributed.peers, "Group", None)
    with distributed.join():
        pass


def test_who_tells_of_the_others_has_a_name(found):
    for environment, flags, name in (({}, {}, ""), (SLURM, {}, "Slurm"), (OPEN_MPI, {}, "Open MPI"), (
        SLURM, {"coordinator": "a:1", "num_processes": 3, "process_id": 2}, "flags",
    )):
        found(environment, **flags)
        assert distributed.launcher() == name


def test_flags_come_before_a_cluster(found):
    assert found(SLURM, coordinator="a:1", num_processes=3, process_id=2) == ("a:1", 3, 2)


def test_clusters_are_found_by_their_variables(found):
    address, *rest = found(SLURM)
    assert re.fullmatch(r"node007:\d+", address) and rest == [2, 1]
    address, *rest = found(OPEN_MPI)
    assert re.fullmatch(r"10\.96\.0\.1:\d+", address) and rest == [2, 1]


@pytest.mark.parametrize(("cluster", "lacking", "said"), [
    (SLURM, "SLURM_STEP_NODELIST", "SLURM_NTASKS=2 and SLURM_PROCID=1, but .* not whole .*; give all of --coordinator"),
    (SLURM, "SLURM_LOCALID", "SLURM_NTASKS=2 and SLURM_PROCID=1, but"),
    (OPEN_MPI, "OMPI_MCA_orte_hnp_uri", "OMPI_COMM_WORLD_SIZE=2 and OMPI_COMM_WORLD_RANK=1, but"),
    (OPEN_MPI, "OMPI_COMM_WORLD_SIZE", "the cluster's environment is not whole: 'OMPI_COMM_WORLD_SIZE'; give all of"),
])
def test_half_a_cluster_is_refused(found, cluster, lacking, said):
    with pytest.raises(ValueError, match=said):
        found({name: value for name, value in cluster.items() if name != lacking})


def test_a_coordinator_without_a_number_is_refused(found):
    with pytest.raises(ValueError, match="not whole, it tells no num_processes; give all of --coordinator"):
        found({"JAX_COORDINATOR_ADDRESS": "a:1"})


def test_a_cluster_of_one_process_is_one_process(found):
    alone = SLURM | {"SLURM_NTASKS": "1", "SLURM_PROCID": "0"}
    assert found(alone)[1:] == (1, 0)
    del alone["SLURM_STEP_NODELIST"]
    assert found(alone) == ("", 1, 0)



@pytest.fixture
def joined(found, monkeypatch):
    """joined(error): what a group of two is told when the block raises `error`."""
    told = []

    class Group:
        def __init__(self, *given):
            told.append(given)

        def join(self):
            return "127.0.0.1:1", None

        def leave(self, text=""):
            told.append(text)

        def wait(self):
            told.append("waits")

    monkeypatch.setattr(distributed.peers, "Group", Group)
    monkeypatch.setattr(distributed.jax.distributed, "initialize", lambda *given, **options: told.append(options))
    monkeypatch.setattr(distributed, "_end_alone", lambda status: told.append(status))
    found(coordinator="a:1", num_processes=2, process_id=1)

    def play(error=None):
        with distributed.join(lambda: "left"):
            if error:
                raise error
        return told

    return play, told


def test_who_ends_in_order_says_so(joined):
    play, told = joined
    (address, count, number, left), options, text = play()
    assert (address, count, number, left(), text) == ("a:1", 2, 1, "left", "")
    assert options["heartbeat_timeout_seconds"] > distributed.peers.SILENT_SECONDS  # JAX's line must not be the first


@pytest.mark.parametrize(("error", "expected"), [
    (ValueError("mine\nmore"), [1, "mine"]),
    (KeyboardInterrupt(), [130, "KeyboardInterrupt"]),
    (jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: memory"), [1, "RESOURCE_EXHAUSTED: memory"]),
    (jax.errors.JaxRuntimeError("INTERNAL: Gloo"), ["waits", 1, "INTERNAL: Gloo"]),
    (ValueError("UNKNOWN: Gloo"), ["waits", 1, "UNKNOWN: Gloo"]),
])
def test_who_ends_with_an_error_says_so_unless_another_is_to_blame(joined, error, expected):
    play, told = joined
    with pytest.raises(type(error)):
        play(error)
    assert told[2:] == expected


def test_an_exchange_that_failed_is_seen_below_other_errors():
    try:
        try:
            raise ValueError("UNKNOWN: Gloo all-reduce failed")
        except ValueError as cause:
            raise OSError("a checkpoint could not be written") from cause
    except OSError as error:
        assert distributed.of_a_collective(error)
    assert not distributed.of_a_collective(OSError("a checkpoint could not be written"))
