"""What a measurement of the trainer comes to, and the processes that some need of their own."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

ONE_THREAD = {
    f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB_MAXIMUM", "NUMEXPR")
} | {"JAX_PLATFORMS": "cpu"}


class Found(NamedTuple):
    """told: one line. bar: in words, "" for none. met: None where there is no bar. figures: JSON-able."""

    told: str
    bar: str
    met: bool | None
    figures: dict[str, Any]

    def line(self, part: str) -> str:
        """As it is printed."""
        if self.met is None:
            return f"{part}: {self.told}"
        return f"{part}: {self.told}; {self.bar}: {'met' if self.met else 'NOT MET'}"


def of_processes(commands: Sequence[Sequence[str]], environment: Mapping[str, str] | None = None) -> list[Any]:
    """The JSON that each `python -m MODULE ARGUMENTS` prints last; they run side by side.

    Raises ValueError, with the last lines of its stderr, where one fails.
    """
    started = [
        subprocess.Popen(
            [sys.executable, "-m", *command], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            env=os.environ | dict(environment or {}),
        ) for command in commands
    ]
    try:
        told = [process.communicate() for process in started]
    finally:
        for process in started:
            process.kill()
            process.wait()
    for command, process, (_, complaints) in zip(commands, started, told, strict=True):
        if process.returncode:
            last = " ".join(complaints.strip().splitlines()[-3:])
            raise ValueError(f"python -m {' '.join(command)} ended with status {process.returncode}: {last}")
    return [json.loads(out.strip().splitlines()[-1]) for out, _ in told]


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows, which have the same keys, with columns of one width."""
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in cells)


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


__all__ = ["ONE_THREAD", "Found", "of_processes", "table"]
