"""Whether the processes of one program find one another."""

import contextlib
import dataclasses

from launch.checks.findings import FAIL, OK, Finding, told
from launch.shell import distributed


@dataclasses.dataclass(frozen=True)
class Group:
    """number: of this process, of `count` that have joined; 0 of 1 where they did not."""

    finding: Finding
    number: int = 0
    count: int = 1

    @property
    def joined(self) -> bool:
        return self.finding.state == OK


def joined(stack: contextlib.ExitStack) -> Group:
    """Joins the others of this program, as training does, until `stack` ends."""
    try:
        stack.enter_context(distributed.join())
        address, count, number = distributed.found()
    except (ValueError, OSError, RuntimeError) as error:
        way = "see that all hosts reach the coordinator's port, and start the same command on each"
        return Group(Finding("processes", FAIL, told(error), "" if isinstance(error, ValueError) else way))
    launcher = distributed.launcher()
    if count == 1:
        return Group(Finding("processes", OK, f"one, told by {launcher}" if launcher else "one, no cluster found"))
    return Group(Finding("processes", OK, f"{count}, told by {launcher}; coordinator {address}"), number, count)


__all__ = ["Group", "joined"]
