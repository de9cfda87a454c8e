"""Runs a command on given CPU cores, and lets it get SIGTERM when whoever started it is gone, however it went:

    python -m launch.sweeps.leash PARENT_PID CORES COMMAND...     # cores as 0,1; "" leaves them
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1  # linux/prctl.h


def main(parent: int, cores: str, command: list[str]) -> None:
    """Becomes the command."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if cores:
            os.sched_setaffinity(0, map(int, cores.split(",")))
    if os.getppid() != parent:  # it was gone before it could be tied to
        sys.exit(128 + signal.SIGTERM)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
