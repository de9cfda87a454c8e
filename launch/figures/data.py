"""What figures are measured on."""

import dataclasses
from collections.abc import Sequence

from data_pipeline import clip_views, sources


@dataclasses.dataclass(frozen=True)
class Data:
    """What to evaluate on.

    Attributes:
      directory: prepared data set.
      split: evaluated; "train" gives the mean pose that stage 1 is measured against.
      clips: of the split, from its first; 0 for all.
      frames: of each clip that the video stage paints, from the middle of the clip on.
      seed: of everything drawn.
    """

    directory: str
    split: str = "test"
    clips: int = 0
    frames: int = 16
    seed: int = 0

    def views(self, fields: Sequence[str]) -> list[clip_views.ClipView]:
        """The chosen clips of the split, of which only what is asked for is read."""
        clips = sources.from_directory(self.directory, self.split, fields)
        return [clips[i] for i in range(min(len(clips), self.clips or len(clips)))]

    def records(self, fields: Sequence[str]) -> list[dict]:
        """The chosen clips of the split, whole, in memory."""
        return [clip_views.record(view, fields) for view in self.views(fields)]
