"""The page of launch.demo: the dances, their beats, and what was measured of the model that made them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from launch.reporting import page, samples, tables, writing
from launch.reporting.markup import text
from launch.reporting.samples import Shelf
from launch.reporting.tables import Cell, Head, Table
from xdancer_jax import paths

_MEGABYTES: Final = 60.0
_SIDES: Final = ("chance", "photo", "truth")  # that a figure may be held against, where its protocol has them
TOY: Final = (
    "The model that comes with the project has seen drawn dancers alone, so it cannot paint people: for your photo it "
    "makes the dance, as a skeleton. Public weights paint people: those of Moore-AnimateAnyone, of which "
    "launch.convert --kind moore makes a video run for launch.generate and launch.app (docs/weights.md); the motion "
    "run beside it may be this model's, xdancer_jax/shipped/motion."
)


def write(out: Path, dance: Path, yours: Path | None, figures: Mapping[str, Any]) -> Path:
    """OUT/report.html. dance, yours: videos, with their poses beside them; figures: see runs.shipped."""
    shelf, table = Shelf(_MEGABYTES), as_table(figures)
    drawn = "A drawn dancer and a song that the model never saw: the photo, the song and the pose lie beside this page."
    first = [(page.Section("dance", "A dance", _shown(drawn, dance, shelf)), [])]
    if yours is not None:
        first.append((page.Section("yours", "Your photo, your song", _shown(TOY, yours, shelf)), []))
    first.append((page.Section("model", table.title, tables.as_html(table)), [table]))
    return writing.write(out / "report.html", page.Contents([], {}, [], 1, _MEGABYTES, first=first))[0]


def _shown(says: str, video: Path, shelf: Shelf) -> str:
    clips = samples.listed(paths.at(video))
    return f"<p>{text(says)}</p>" + "".join(samples.shown(clip, shelf, drawn=True) for clip in clips)


def as_table(figures: Mapping[str, Any]) -> Table:
    """Of what benchmarks.toy_model wrote."""
    heads = [Head("reached"), *(Head(side) for side in _SIDES), Head("must be"), Head(""), Head("protocol")]
    rows = [(row["figure"], _cells(row)) for row in figures["figures"]]
    title = f"The model on {figures['clips']} dancers and songs that it never saw"
    return Table("model", title, heads, rows)


def _cells(row: Mapping[str, Any]) -> Sequence[Cell]:
    value = Cell(row["value"], *(row[end] for end in ("low", "high") if end in row))
    beside = (Cell(row[side]) if side in row else Cell(words="–") for side in _SIDES)
    reached = "reached" if row["reached"] else "not reached"
    return (value, *beside, Cell(words=row["bar"]), Cell(words=reached), Cell(words=row["protocol"]))


__all__ = ["TOY", "as_table", "write"]
