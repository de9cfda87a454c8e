"""One program on many processes: found by itself on Cloud TPU, GKE, Slurm and Open MPI, by three flags elsewhere.

Never half on. Some of the flags without the others, numbers that do not fit and a cluster whose variables are not whole
are refused here; two processes of one number, or of different counts, by process 0 (peers.py); two programs that know
nothing of each other, each process 0 of one work directory, by its lock (xdancer_jax/train/lock.py).
"""

import atexit
import contextlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping

import jax
from absl import flags
from jax._src import clusters  # JAX's detection, without the joining that goes with it in jax.distributed

from launch.runs import agreement
from launch.shell import peers, signals

_COORDINATOR = flags.DEFINE_string("coordinator", None, "HOST:PORT of process 0, where no cluster tells it.")
_PROCESS = flags.DEFINE_integer("process_id", None, "Number of this process, from 0.", lower_bound=0)
_COUNT = flags.DEFINE_integer("num_processes", None, "Processes in all.", lower_bound=1)

_FLAGS = "--coordinator, --num_processes and --process_id"
# What launchers tell every process: (processes in all, its number). Where JAX finds no cluster they must tell nothing.
_LAUNCHERS = (
    ("SLURM_NTASKS", "SLURM_PROCID"), ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_RANK"), ("PMI_SIZE", "PMI_RANK"),
)
_NAMES = {"slurm": "Slurm", "ompi": "Open MPI", "gcetpu": "Cloud TPU", "gketpu": "GKE", "": "Kubernetes"}  # by JAX's
_STATUS = re.compile(
    r"(UNKNOWN|INTERNAL|UNAVAILABLE|ABORTED|CANCELLED|DEADLINE_EXCEEDED|FAILED_PRECONDITION|DATA_LOSS): "
)


@contextlib.contextmanager
def join(left: Callable[[], str] = str) -> Iterator[None]:
    """Joins the other processes of this program; a program of one process goes on alone. Before any computation.

    Whoever dies inside, gives no sign of life for peers.SILENT_SECONDS, or ends with an error, ends all of them, each
    with one line that names it, and status 1.

    left: what this process leaves when it is ended so, in words.

    Raises:
      ValueError: some of the three flags without the others, a number beyond the count, half a cluster.
      ConnectionError: not all processes arrived within peers.JOIN_SECONDS; those missing are named.
    """
    address, count, number = found()
    if count == 1:
        yield
        return
    group = peers.Group(address, count, number, left)
    try:
        service, kept = group.join()
        # JAX's own watch is the second one: it ends a process with no line of ours.
        jax.distributed.initialize(
            service, count, number, coordinator_bind_address=kept, initialization_timeout=peers.JOIN_SECONDS,
            heartbeat_timeout_seconds=3 * peers.SILENT_SECONDS,
        )
        yield
    except BaseException as error:
        if of_a_collective(error):
            group.wait()
        _end_alone(signals.status(error) if isinstance(error, KeyboardInterrupt) else 1)
        group.leave((str(error).strip().splitlines() or [""])[0] or type(error).__name__)
        raise
    group.leave()


def found() -> tuple[str, int, int]:
    """(HOST:PORT of process 0, processes in all, number of this one); 1 in all where nothing tells of others.

    Raises ValueError as `join` does.
    """
    given = {"coordinator": _COORDINATOR.value, "num_processes": _COUNT.value, "process_id": _PROCESS.value}
    check(given)
    given["coordinator"] = given["coordinator"] or os.environ.get("JAX_COORDINATOR_ADDRESS")
    try:
        address, count, number, _ = clusters.ClusterEnv.auto_detect_unset_distributed_params(
            *given.values(), None, None, peers.JOIN_SECONDS
        )
    except (KeyError, ValueError, RuntimeError) as error:
        raise ValueError(f"the cluster's environment is not whole: {error}; give all of {_FLAGS}") from error
    told = {"coordinator": address, "num_processes": count, "process_id": number}
    missing = [name for name, value in told.items() if value is None]
    if 0 < len(missing) < len(told):
        raise ValueError(f"the cluster's environment is not whole, it tells no {missing[0]}; give all of {_FLAGS}")
    if missing:
        check_alone(os.environ)
        return "", 1, 0
    check(told)
    return address, count, number


def launcher() -> str:
    """What tells this process of the others: "flags", or the cluster that JAX finds; "" for nothing."""
    if _COORDINATOR.value:
        return "flags"
    known = (each for each in clusters.ClusterEnv._cluster_types if not each.opt_in_only_method)
    cluster = next((each for each in known if each.is_env_present()), None)
    return "" if cluster is None else _NAMES.get(cluster.name, cluster.name)


@contextlib.contextmanager
def join_alike(left: Callable[[], str] = str) -> Iterator[None]:
    """`join`, by a command that all processes must be given with the same flags and run with the same code.

    Raises ValueError on all where they differ, and what `join` raises.
    """
    with join(left):
        given = {f"--{flag.name}": flag.value for flag in flags.FLAGS.get_key_flags_for_module(sys.argv[0])}
        agreement.check(given | {"code": agreement.code_version()})
        yield


def check(given: Mapping[str, object]) -> None:
    """Raises ValueError where the three do not fit together: a group that is half on would train twice."""
    missing = [name for name, value in given.items() if value is None]
    if 0 < len(missing) < len(given):
        raise ValueError(f"--{missing[0]} is missing: give all of {_FLAGS}, or none")
    if not missing and not re.fullmatch(r".+:\d+", str(given["coordinator"])):
        raise ValueError(f"--coordinator={given['coordinator']}: give HOST:PORT of process 0, one that all can reach")
    if not missing and given["process_id"] >= given["num_processes"]:
        raise ValueError(
            f"--process_id={given['process_id']}: must be below --num_processes={given['num_processes']}; they count "
            "from 0"
        )


def check_alone(environment: Mapping[str, str]) -> None:
    """Raises ValueError where a launcher started several processes, and JAX does not find the cluster."""
    for count, number in _LAUNCHERS:
        if number in environment and environment.get(count, "1") != "1":
            raise ValueError(
                f"{count}={environment[count]} and {number}={environment[number]}, but the cluster's environment is "
                f"not whole (under Slurm start with srun); give all of {_FLAGS}, or unset {number} for a process alone"
            )


def of_a_collective(error: BaseException | None) -> bool:
    """Whether `error`, or what led to it, may be of an exchange with another process, which XLA does not name.

    JAX raises them as JaxRuntimeError or, where an array is read, as ValueError; their texts begin with a status.
    """
    while error is not None:
        if isinstance(error, (jax.errors.JaxRuntimeError, ValueError)) and _STATUS.match(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def _end_alone(status: int) -> None:
    """At its end this process waits for no other: JAX would, for minutes, and then complain."""
    def end() -> None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)

    atexit.register(end)


__all__ = ["check", "check_alone", "found", "join", "join_alike", "launcher", "of_a_collective"]
