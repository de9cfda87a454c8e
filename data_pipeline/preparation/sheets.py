"""Contact sheets of prepared clips: skeletons over a few frames of each."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from data_pipeline import image_files, prepared_clips, report_page
from data_pipeline.preparation.cache import Cache
from data_pipeline.preparation.jobs import Made

_CLIPS: Final = 12
_FRAMES: Final = 6
_HEIGHT, _WIDTH = 224, 128  # of a skeleton where there is no picture


def sheets(made: Sequence[Made], cache: Cache, clips: int = _CLIPS) -> list[np.ndarray]:
    """A row (H, W, 3) uint8 a clip, of up to `clips` of them spread over all."""
    chosen = [made[i] for i in np.unique(np.linspace(0, len(made) - 1, min(clips, len(made))).round().astype(int))]
    return [_sheet(cache.path(one.file)) for one in chosen]


def _sheet(path: str) -> np.ndarray:
    record = prepared_clips.read(path, ("poses",))
    found = record["poses"]
    numbers = np.unique(np.linspace(0, len(found) - 1, _FRAMES).round().astype(int))
    if prepared_clips.has_pictures(path):
        wanted = set(numbers.tolist())
        pictures = np.stack([
            image_files.decode_jpeg(content)
            for number, content in enumerate(prepared_clips.pictures(path)) if number in wanted
        ])
    else:
        pictures = np.zeros((len(numbers), _HEIGHT, _WIDTH, 3), np.uint8)
    return report_page.contact_sheet(pictures, found[numbers])


__all__ = ["sheets"]
