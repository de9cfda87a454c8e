"""Answers of raters: a JSON line each, in the files of a study's folder answers/. The server writes served.jsonl there;
files that raters downloaded are put beside it under any name that ends in .jsonl."""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from data_pipeline.files import one_line
from launch.studies.key import Key
from launch.studies.questions import TIE

RATER: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_LATEST: Final = 10**14  # ms since 1970: beyond any clock
_LONGEST: Final = 10**7  # s: longer than a page stays open


class Answer(NamedTuple):
    """Of one rater to one question about one comparison.

    Attributes:
      choice: random name of a clip, or TIE.
      shown: clips as they stood on the page, the first first.
      at: when it was chosen, ms since 1970 by the rater's clock.
      seconds: since the comparison was shown.
      watched: share of each clip's length that was played, as in `shown`.
    """

    study: str
    rater: str
    item: str
    question: str
    choice: str
    shown: tuple[str, ...]
    at: int
    seconds: float
    watched: tuple[float, ...]

    def line(self) -> str:
        return json.dumps(self._asdict(), separators=(",", ":")) + "\n"


def parse(text: str | bytes) -> Any:
    """Strict JSON. Raises ValueError; for deep nesting and numbers that are none too."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number")


def checked(record: Any, key: Key) -> Answer:
    """The Answer in a parsed line. Raises ValueError for all that the page of this study does not send."""
    if not isinstance(record, dict) or set(record) != set(Answer._fields):
        raise ValueError(f"an answer has the fields {', '.join(Answer._fields)}")
    if record["study"] != key.study:
        raise ValueError("an answer to another study")
    if not isinstance(record["rater"], str) or not RATER.fullmatch(record["rater"]):
        raise ValueError("rater: 1 to 40 letters, digits, - and _")
    item = next((item for item in key.items if item.id == record["item"]), None)
    if item is None or not isinstance(record["question"], str) or record["question"] not in key.questions:
        raise ValueError("a comparison or a question that the study does not have")
    shown, watched = record["shown"], record["watched"]
    if not _texts(shown) or sorted(shown) != sorted(item.clips):
        raise ValueError("shown: not the clips of the comparison")
    if record["choice"] not in (*shown, TIE):
        raise ValueError("choice: none of what was shown")
    if not isinstance(watched, list) or len(watched) != len(shown) or not all(_number(n, 1) for n in watched):
        raise ValueError("watched: not a share of each clip")
    if not isinstance(record["at"], int) or not _number(record["at"], _LATEST):
        raise ValueError("at: not a time")
    if not _number(record["seconds"], _LONGEST):
        raise ValueError("seconds: not a length of time")
    return Answer(**record | {"shown": tuple(shown), "watched": tuple(watched)})


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def _number(value: Any, high: float) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and 0 <= value <= high  # infinities were refused as it was parsed, and NaN is neither


class Read(NamedTuple):
    """answers: one for each rater, comparison and question, the latest. warnings: a line each."""

    answers: list[Answer]
    warnings: list[str]


def read(folder: str, key: Key, leave_out: Sequence[str] = ()) -> Read:
    """All answers of the study in `folder`, without those of the raters to leave out.

    A last line that was cut off is left out with a warning.

    Raises:
      FileNotFoundError: no answers yet.
      ValueError: any other line that is no answer to this study, by file and number; a rater to leave out who is not
        there.
    """
    files = sorted((Path(folder) / "answers").glob("*.jsonl"))
    latest: dict[tuple[str, str, str], Answer] = {}
    warnings: list[str] = []
    for path in files:
        for answer in _of_file(path, key, warnings):
            place = (answer.rater, answer.item, answer.question)
            if place not in latest or answer.at >= latest[place].at:
                latest[place] = answer
    if not latest:
        raise FileNotFoundError(f"{Path(folder) / 'answers'}: holds no answers yet; put the raters' files there")
    if unknown := set(leave_out) - {answer.rater for answer in latest.values()}:
        raise ValueError(f"--leave_out={min(unknown)}: no answer is of this rater")
    return Read([one for one in latest.values() if one.rater not in leave_out], warnings)


def _of_file(path: Path, key: Key, warnings: list[str]) -> Iterable[Answer]:
    *lines, rest = path.read_bytes().split(b"\n")
    for number, line in enumerate([*lines, rest], 1):
        if not line.strip():
            continue
        try:
            yield checked(parse(line), key)
        except ValueError as error:
            if number > len(lines) and not _whole(line):
                warnings.append(f"{path}, line {number}: cut off, left out")
                return
            told = f"{path}, line {number}: not an answer to this study ({one_line(error)}); take it out"
            raise ValueError(told) from error


def _whole(line: bytes) -> bool:
    try:
        parse(line)
    except ValueError:
        return False
    return True


__all__ = ["Answer", "Read", "checked", "parse", "read"]
