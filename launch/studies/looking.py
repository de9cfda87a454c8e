"""The results of a study, as lines and as files in its folder."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from launch.studies import answers, raters, results
from launch.studies import key as keys


def look(folder: str, leave_out: Sequence[str]) -> Iterator[str]:
    """Measures the answers of the study in `folder`, writes the files, and yields lines to be shown.

    Raises FileNotFoundError and ValueError as keys.load and answers.read do; ValueError where nobody is left.
    """
    key = keys.load(folder)
    read = answers.read(folder, key, leave_out)
    if not read.answers:
        raise ValueError("--leave_out: no rater is left")
    yield from (f"warning: {warning}" for warning in read.warnings)
    told, described = results.measure(read.answers, key), raters.describe(read.answers)
    yield from results.lines(told, key, described)
    yield from map(str, results.write(told, key, described, leave_out, Path(folder)))


__all__ = ["look"]
