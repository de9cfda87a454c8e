"""What a suite can measure of kept clips, before anything is measured."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

from xdancer_jax.evals.protocols import Result


@dataclasses.dataclass(frozen=True)
class Figure:
    """One measurement.

    Attributes:
      ids: of the protocols that it writes.
      measure: makes their results. Raises ValueError where clips do not suffice or do not fit.
      networks: kinds of weights that it needs (networks.Given).
      lacking: why it cannot be measured here, "" if it can.
    """

    ids: tuple[str, ...]
    measure: Callable[[], Sequence[Result]]
    networks: tuple[str, ...] = ()
    lacking: str = ""


class Kept(NamedTuple):
    """What was kept: names of the clips; a line on each kind of clips that could not be, and how many of them."""

    names: list[str]
    notes: list[str] = []
    left_out: int = 0


__all__ = ["Figure", "Kept"]
