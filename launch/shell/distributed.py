"""One program on many processes: found by itself on Cloud TPU, GKE, Slurm and Open MPI, by three flags elsewhere."""

import re
import sys
from collections.abc import Mapping

import jax
from absl import flags

from launch.runs import agreement

_COORDINATOR = flags.DEFINE_string("coordinator", None, "HOST:PORT of process 0, where no cluster tells it.")
_PROCESS = flags.DEFINE_integer("process_id", None, "Number of this process, from 0.", lower_bound=0)
_COUNT = flags.DEFINE_integer("num_processes", None, "Processes in all.", lower_bound=1)

_FLAGS = "--coordinator, --num_processes and --process_id"
_JOIN_SECONDS = 300  # for all processes to arrive
_SILENT_SECONDS = 60  # without a sign of life a process is taken for dead, and the others end


def join() -> None:
    """Joins the other processes of this program; a program of one process goes on alone. Before any computation.

    Processes that do not arrive within 5 minutes, and one that gives no sign of life for a minute, end all of them.

    Raises:
      ValueError: some of the three flags without the others, or a number beyond the count.
      ConnectionError: not all processes arrived in time.
    """
    given = {"coordinator": _COORDINATOR.value, "num_processes": _COUNT.value, "process_id": _PROCESS.value}
    check(given)
    try:
        jax.distributed.initialize(
            *given.values(), initialization_timeout=_JOIN_SECONDS, heartbeat_timeout_seconds=_SILENT_SECONDS
        )
    except ValueError as error:
        if "coordinator_address" not in str(error):  # JAX found no cluster
            raise ValueError(f"the cluster's environment is not whole: {error} Give all of {_FLAGS}") from error
    except RuntimeError as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ConnectionError(
            f"--coordinator={given['coordinator'] or 'of the cluster'}: the processes did not find one another in "
            f"{_JOIN_SECONDS} s ({reason}); start all of them, with one coordinator that each can reach"
        ) from error


def join_alike() -> None:
    """`join`, by a command that all processes must be given with the same flags and run with the same code.

    Raises ValueError on all where they differ, and what `join` raises.
    """
    join()
    given = {f"--{flag.name}": flag.value for flag in flags.FLAGS.get_key_flags_for_module(sys.argv[0])}
    agreement.check(given | {"code": agreement.code_version()})


def check(given: Mapping[str, object]) -> None:
    """Raises ValueError where the three flags do not fit together: a group that is half on would train twice."""
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


__all__ = ["check", "join", "join_alike"]
