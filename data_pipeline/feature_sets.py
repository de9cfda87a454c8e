"""What music features are called, how wide they are and how a network gets them: travels with data sets and runs.

Nobody but data_pipeline/music knows how features are computed; whoever stores or feeds them knows a FeatureSet.
"""

import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final

import numpy as np

DEFAULT_MUSIC: Final = "librosa35"  # feature set of whoever does not choose


@dataclasses.dataclass(frozen=True)
class FeatureSet:
    """Features of one kind.

    Attributes:
        name: "librosa35", "jukebox4800": of letters and digits, its last digits are its width.
        version: raised whenever the same sound gives other numbers.
        offset, scale: (width,) what `normalise` subtracts and divides by; empty for 0 and 1.

    Raises:
        ValueError: a name without a width, constants of another width, a scale that is not positive.
    """

    name: str
    version: str = "1"
    offset: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    def __post_init__(self):
        wrong = [len(values) for values in (self.offset, self.scale) if values and len(values) != self.width]
        if wrong:
            raise ValueError(f"feature set {self.name}: constants for {wrong[0]} columns, expected {self.width}")
        if not np.isfinite((*self.offset, *self.scale)).all() or any(value <= 0 for value in self.scale):
            raise ValueError(f"feature set {self.name}: offsets must be finite numbers, scales positive ones")

    @property
    def width(self) -> int:
        """Columns."""
        return width_of(self.name)

    def normalise(self, rows: np.ndarray) -> np.ndarray:
        """Raw features (..., width) to network inputs of about zero mean and unit scale, float32."""
        if rows.shape[-1] != self.width:
            raise ValueError(f"music: {rows.shape[-1]} columns, {self.name} has {self.width}")
        offset = np.array(self.offset or 0, np.float32)
        return ((rows - offset) / np.array(self.scale or 1, np.float32)).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"offset": list(self.offset), "scale": list(self.scale)}

    @classmethod
    def from_json(cls, known: Mapping[str, Any]) -> "FeatureSet":
        """Raises ValueError for anything but what to_json gives."""
        try:
            numbers = {name: tuple(float(value) for value in known[name]) for name in ("offset", "scale")}
            return cls(str(known["name"]), str(known["version"]), **numbers)
        except (KeyError, TypeError) as error:
            raise ValueError(f"not a feature set: {json.dumps(known)[:80]}") from error


def width_of(name: str) -> int:
    """Columns of the feature set `name`. Raises ValueError for a name that does not end in them."""
    letters = name.rstrip("0123456789")
    width = name[len(letters) :]
    if not letters or not letters.isidentifier() or not width or int(width) < 1:
        raise ValueError(f"feature set {name!r}: a name ends in its width, as librosa35 and jukebox4800 do")
    return int(width)


def refuse_other(trained: FeatureSet, given: FeatureSet, where: str) -> None:
    """Raises ValueError, naming `where` the features come from, unless they are those that a model was trained on."""
    if trained != given:
        differs = [f.name for f in dataclasses.fields(FeatureSet) if getattr(trained, f.name) != getattr(given, f.name)]
        raise ValueError(
            f"{where}: music features {given.name} version {given.version}; the model was trained on {trained.name} "
            f"version {trained.version} (they differ in {', '.join(differs)}); prepare the music with that set"
        )


__all__ = ["DEFAULT_MUSIC", "FeatureSet", "refuse_other", "width_of"]
