"""Each rater's way of answering, by which careless ones are found."""

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np

from launch.studies.answers import Answer
from launch.studies.questions import TIE

_WATCHED: Final = 0.9  # of a clip's length: the page asks for so much, unless a clip does not play
_ENOUGH: Final = 20  # answers from which habits are judged
_ONE_SIDED: Final = 0.9  # of the answers for one place


class Rater(NamedTuple):
    """What one did.

    Attributes:
      comparisons: with any answer.
      minutes: from first to last answer.
      seconds: median from a comparison's start to its last answer.
      unwatched: share of clips that were not watched to the end.
      first, ties: shares of answers, for the clip that stood first and for none.
      side: share of the place on the page that was chosen most, of answers that are no ties.
    """

    id: str
    comparisons: int
    answers: int
    minutes: float
    seconds: float
    unwatched: float
    first: float
    side: float
    ties: float

    def doubts(self) -> Iterator[str]:
        if self.unwatched > 0:
            yield f"{100 * self.unwatched:.0f}% of the clips were not watched to the end"
        if self.answers >= _ENOUGH and self.side >= _ONE_SIDED:
            yield f"{100 * self.side:.0f}% of the answers are for one place on the page"
        if self.answers >= _ENOUGH and self.ties == 1:
            yield "no answer but ties"


def describe(answers: Sequence[Answer]) -> list[Rater]:
    """A Rater for each, by id."""
    return [_one(id_, [one for one in answers if one.rater == id_]) for id_ in sorted({one.rater for one in answers})]


def _one(id_: str, answers: Sequence[Answer]) -> Rater:
    items = {item: [one for one in answers if one.item == item] for item in dict.fromkeys(one.item for one in answers)}
    watched = [share for of in items.values() for share in np.max([one.watched for one in of], axis=0)]
    places = [one.shown.index(one.choice) for one in answers if one.choice != TIE]
    times = [one.at for one in answers]
    return Rater(
        id=id_, comparisons=len(items), answers=len(answers), minutes=round((max(times) - min(times)) / 60_000, 2),
        seconds=round(float(np.median([max(one.seconds for one in of) for of in items.values()])), 1),
        unwatched=round(float(np.mean(np.array(watched) < _WATCHED)), 3),
        first=round(sum(place == 0 for place in places) / len(answers), 3),
        side=round(float(np.bincount(places).max() / len(places)) if places else 0.0, 3),
        ties=round(sum(one.choice == TIE for one in answers) / len(answers), 3),
    )  # fmt: skip


__all__ = ["Rater", "describe"]
