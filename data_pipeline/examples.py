"""Clips -> examples: augmented, cut, and with another clip in the place of a damaged one where that is wanted."""

import logging
from collections.abc import Iterator
from typing import Final

import numpy as np

from data_pipeline.augment import Augment
from data_pipeline.clip_views import ClipView
from data_pipeline.record_files import DamagedError
from data_pipeline.sources import Epochs
from data_pipeline.transforms import Example, Window

Batch = dict[str, np.ndarray]

_DAMAGE: Final = "damage"  # field of an example: what was left out for it, "" for nothing
_LONGEST: Final = 1024  # bytes of it
_TRIES: Final = 100  # clips in a row that are damaged; then there is no point in going on
_log = logging.getLogger(__name__)


class Examples:
    """What a window cuts of clips, for `MapDataset.random_map`: a function of the clip and Grain's generator."""

    def __init__(self, window: Window, clips: Epochs, augment: Augment, skip: bool):
        """clips: that another one is drawn from where a record is damaged, if `skip`, which also adds a field to every
        example, for `told` to take away."""
        self._window, self._clips, self._augment, self._skip = window, clips, augment, skip

    def __call__(self, clip: ClipView, rng: np.random.Generator) -> Example:
        """Raises DamagedError without `skip`, or after too many damaged clips."""
        if not self._skip:
            return self._cut(clip, rng)
        damage = ""
        for _ in range(_TRIES):
            try:
                return {**self._cut(clip, rng), _DAMAGE: np.array(damage.encode(), f"S{_LONGEST}")}
            except DamagedError as error:
                damage, last = damage or str(error), error
                clip = self._clips.drawn(rng)
        raise DamagedError(f"{last}; {_TRIES} clips in a row are damaged, too many to leave out")

    def _cut(self, clip: ClipView, rng: np.random.Generator) -> Example:
        return self._window(self._augment(clip, rng), rng)


class Mixed:
    """The same of entries of `sources.Replay`."""

    def __init__(self, own: Examples, replayed: Examples):
        self._own, self._replayed = own, replayed

    def __call__(self, entry: tuple[ClipView, bool], rng: np.random.Generator) -> Example:
        clip, replayed = entry
        return (self._replayed if replayed else self._own)(clip, rng)


def told(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Batches of examples that skip, without what was left out, of which each record is told once, with a count."""
    known: set[bytes] = set()
    count = 0
    for batch in batches:
        found = [text for text in batch.pop(_DAMAGE).tolist() if text]
        count += len(found)
        for text in found:
            if text not in known:
                known.add(text)
                _log.warning(
                    "warning: %s; another clip takes its place (examples so far: %d)", text.decode(errors="replace"),
                    count,
                )
        yield batch


__all__ = ["Batch", "Examples", "Mixed", "told"]
