"""The page of launch.train_demo: what was learnt beside what it must beat, frames beside the truth, the dance, and all
else of a report over its runs."""

from collections.abc import Sequence
from pathlib import Path

from launch.reporting import bars, entries, page, tables, writing
from launch.reporting.markup import text, url

_MEGABYTES = 60.0


def write(out: Path, workdirs: Sequence[Path], found: Sequence[bars.Row]) -> Path:
    """OUT/report.html over the runs in `workdirs`; frames.png and dance.mp4 of `out` are in it where they are there."""
    reached = bars.as_table(found)
    first = [(page.Section("bars", reached.title, tables.as_html(reached)), [reached])]
    frames = out / "frames.png"
    if frames.is_file():
        first.append((page.Section("frames", "Frames beside the truth", _strips(frames)), []))
    dances = [str(out / "dance.mp4")] if (out / "dance.mp4").is_file() else []
    runs = [entries.read(str(workdir)) for workdir in workdirs]
    return writing.write(out / "report.html", page.Contents(runs, {}, dances, 1, _MEGABYTES, first=first))[0]


def _strips(frames: Path) -> str:
    says = "For each clip, from above: the truth, its skeletons, and what each video run painted"
    return (
        f'<p>{text(says)}.</p><div class="strips" tabindex="0" role="region" aria-label="frames">'
        f'<img alt="{text(says)}" src="{url(frames.read_bytes(), ".png")}"></div>'
    )


__all__ = ["write"]
