"""What launch.train_demo must reach: its figures beside their bars, as lines, as a table of its page, as a file."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from data_pipeline.files import write_atomically
from launch.reporting.tables import Cell, Head, Table
from xdancer_jax.evals.protocols import Result


@dataclasses.dataclass(frozen=True)
class Row:
    """A learned figure and what it must beat."""

    figure: str
    value: float
    sign: str
    bar: float
    protocol: str

    @property
    def reached(self) -> bool:
        return bool(self.value <= self.bar) if self.sign == "<=" else bool(self.value >= self.bar)


def rows(results: Mapping[str, Sequence[Result]]) -> list[Row]:
    """The bars of the demo, from the results of each run by its name."""
    multi, codebook, *_ = results["tokenizer"]
    single = results["tokenizer_single_part"][0]
    alignment = results["motion"][0]
    used = min(value for name, value in codebook.values.items() if name.endswith("/used"))
    error = "full_body"
    table = [
        Row("tokenizer pose L1 / mean pose", multi.values[f"{error}/ratio"], "<=", 0.15, multi.protocol),
        Row("pose L1, multi-part / single-part", multi.values[error] / single.values[error], "<=", 1.0, multi.protocol),
        Row("codebook use, least used part", used, ">=", 0.5, codebook.protocol),
        Row("beats, way from chance to truth", alignment.values["fraction"], ">=", 0.5, alignment.protocol),
    ]
    for name, label in (("video", "motion decoder"), ("video_guider", "pose guider (appearance phase)")):
        if name in results:
            psnr = results[name][0]
            gain = psnr.values["score"] - psnr.values["repeat_photo"]
            table.append(Row(f"video PSNR over the photo, {label}, dB", gain, ">=", 1.5, psnr.protocol))
    return table


def table(found: Sequence[Row]) -> str:
    """One line a figure."""
    width = max(len(row.figure) for row in found)
    lines = [
        f"{row.figure:<{width}}  {row.value:8.3f}  must be {row.sign} {row.bar:<5g} "
        f"{'reached' if row.reached else 'NOT REACHED':<11}  {row.protocol}"
        for row in found
    ]
    return "\n".join(lines)


def write(path: Path, found: Sequence[Row], results: Mapping[str, Sequence[Result]], facts: Mapping[str, Any]) -> None:
    """report.json: the table, every result with its protocol's constants, and `facts` about the run."""
    content = {
        "figures": [dataclasses.asdict(row) | {"reached": row.reached} for row in found],
        **facts,
        "results": {name: [json.loads(result.as_json()) for result in of] for name, of in results.items()},
    }
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())


def as_table(found: Sequence[Row]) -> Table:
    """The same for a page."""
    heads = (Head("reached"), Head("must be"), Head(""), Head("protocol"))
    rows = [
        (row.figure, (Cell(row.value), Cell(words=f"{row.sign} {row.bar:g}"),
                      Cell(words="reached" if row.reached else "not reached"), Cell(words=row.protocol)))
        for row in found
    ]  # fmt: skip
    return Table("bars", "What was learnt, beside what it must beat", heads, rows)


__all__ = ["Row", "as_table", "rows", "table", "write"]
