"""Contact sheets of prepared clips: skeletons over a few frames of each."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from data_pipeline import image_files, prepared_clips, report_figures
from data_pipeline.preparation.cache import Cache
from data_pipeline.preparation.jobs import Made

_CLIPS: Final = 12


def sheets(made: Sequence[Made], cache: Cache, clips: int = _CLIPS) -> list[np.ndarray]:
    """A row (H, W, 3) uint8 a clip, of up to `clips` of them spread over all."""
    return [_sheet(cache.path(made[row].file)) for row in report_figures.spread(len(made), clips)]


def _sheet(path: str) -> np.ndarray:
    record = prepared_clips.read(path, ("poses",))
    found = record["poses"]
    numbers, pictures = report_figures.spread(len(found), report_figures.SHOWN), None
    if prepared_clips.has_pictures(path):
        wanted = set(numbers.tolist())
        pictures = np.stack([
            image_files.decode_jpeg(content)
            for number, content in enumerate(prepared_clips.pictures(path)) if number in wanted
        ])
    return report_figures.contact_sheet(pictures, found[numbers])


__all__ = ["sheets"]
