"""What a visitor may ask for."""

import math
from pathlib import Path
from typing import Any, NamedTuple

from launch.apps.refusals import Refused

MEGA = 10**6
POSE_MEGABYTES = 5
_SEEDS = 2**32
_TEMPERATURES = (0.05, 2.0)


class Limits(NamedTuple):
    """seconds: of a dance. waiting: jobs. kept_minutes: how long files stay that nobody takes away."""

    photo_megabytes: float
    song_megabytes: float
    song_minutes: float
    seconds: float
    waiting: int
    kept_minutes: float

    def upload_bytes(self) -> int:
        """Of one upload, whatever it is: a file between a field's own limit and this one gets its sentence there."""
        return int(2 * MEGA * max(self.photo_megabytes, self.song_megabytes, POSE_MEGABYTES))

    def megabytes(self, field: str) -> float:
        return {"photo": self.photo_megabytes, "song": self.song_megabytes, "pose": POSE_MEGABYTES}[field]


class Wishes(NamedTuple):
    """The numbers of the form."""

    seconds: float
    seed: int
    temperature: float


def check_size(field: str, path: Path, limits: Limits) -> None:
    """Raises Refused for a file that is larger than its field takes, and for one that is gone."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise Refused(field, "The file is not here any more; give it again.") from error
    if size > limits.megabytes(field) * MEGA:
        most = limits.megabytes(field)
        raise Refused(field, f"The file has {size / MEGA:.1f} MB, and {most:g} MB is the most; give a smaller one.")


def wishes(seconds: Any, seed: Any, temperature: Any, limits: Limits) -> Wishes:
    """What came from the page. Raises Refused, which names the field."""
    lowest, highest = _TEMPERATURES
    length = _number("seconds", seconds, 1, limits.seconds)
    chosen = _number("seed", seed, 0, _SEEDS - 1)
    if chosen != int(chosen):
        raise Refused("seed", "Give a whole number.")
    return Wishes(length, int(chosen), _number("temperature", temperature, lowest, highest))


def _number(field: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise Refused(field, f"Give a number from {low:g} to {high:.10g}.")
    if not low <= value <= high:
        raise Refused(field, f"Give a number from {low:g} to {high:.10g}; {value:.10g} is beyond.")
    return float(value)


__all__ = ["MEGA", "POSE_MEGABYTES", "Limits", "Wishes", "check_size", "wishes"]
