"""What a check found, in one line, and how errors become it."""

import dataclasses
from collections.abc import Callable, Sequence

OK, WARN, FAIL = "ok", "warn", "FAIL"
# What checks raise of what they look at. RuntimeError is what JAX raises for devices that do not start.
EXPECTED = (ValueError, OSError, ImportError, RuntimeError)


@dataclasses.dataclass(frozen=True)
class Finding:
    """state: OK, WARN (a run can start all the same) or FAIL. remedy: what to do, where `found` does not say it."""

    name: str
    state: str
    found: str
    remedy: str = ""

    def line(self) -> str:
        return f"{self.state:<4} {self.name:<12} {'; '.join(filter(None, (self.found, self.remedy)))}"


def caught(name: str, remedy: str, check: Callable[[], Finding | None]) -> Finding | None:
    """What `check` finds; its expected error as a failure. `remedy` is for errors of systems and libraries: ours name
    the way out behind a semicolon."""
    try:
        return check()
    except ModuleNotFoundError as error:
        return Finding(name, FAIL, told(error), "install what setup.py lists, pip install -e .")
    except EXPECTED as error:
        return Finding(name, FAIL, told(error), "" if ";" in told(error) else remedy)


def told(error: BaseException) -> str:
    """What an error says, in one line, with the file that it names."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def of_others(everyone: Sequence[Sequence[Finding]]) -> list[Finding]:
    """What processes after the first found that is not ok and that process 0 did not find as well, with their numbers
    in front; what several found alike is one."""
    where: dict[Finding, list[int]] = {}
    for number, found in enumerate(everyone):
        for finding in found:
            if finding.state != OK and finding not in everyone[0]:
                where.setdefault(finding, []).append(number)
    return [
        dataclasses.replace(finding, found=f"process {', '.join(map(str, numbers))}: {finding.found}")
        for finding, numbers in where.items()
    ]


def verdict(everyone: Sequence[Sequence[Finding]]) -> tuple[bool, str]:
    """(whether a run can start, that in one line)."""
    names = {state: [] for state in (OK, WARN, FAIL)}
    for finding in (finding for found in everyone for finding in found):
        if finding.name not in names[finding.state]:
            names[finding.state].append(finding.name)
    warned = f"; warnings: {', '.join(names[WARN])}" if names[WARN] else ""
    if names[FAIL]:
        return False, f"no run can start here: {', '.join(names[FAIL])}{warned}"
    return True, f"a run can start here{warned}"


__all__ = ["EXPECTED", "FAIL", "OK", "WARN", "Finding", "caught", "of_others", "told", "verdict"]
