"""FVD over pictures of skeletons: the paper's FVD of motions (docs/metrics.md).

Motions are cut into clips, each is drawn, a video network makes features of the pictures, and the Frechet distance
compares these with the real ones' (Unterthiner et al. 2018). What draws and what makes features are arguments: the
paper states neither its network's weights nor how skeletons are drawn, so both are named in the result.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from xdancer_jax.evals.frechet import Frechet
from xdancer_jax.evals.motion_distance import frechet_rows
from xdancer_jax.evals.motion_set import Change, MotionSet, check_rate, repeat_photo, same, shuffled
from xdancer_jax.evals.protocols import Result, record

Draw = Callable[[np.ndarray, int, int], np.ndarray]  # poses (F, J, 3), height, width -> (F, height, width, 3) uint8
Features = Callable[[np.ndarray], np.ndarray]  # (B, F, H, W, 3) uint8 -> (B, C)


@dataclasses.dataclass(frozen=True)
class PoseFVD:
    """FVD of drawn motions.

    Attributes:
      network: name of what makes the features, with its weights.
      drawing: name of what draws.
      frames: of a clip; motions that are shorter are left out.
      stride: frames from the start of one clip to that of the next; what is left at a motion's end is not used.
      height, width: of a picture, in pixels.
      batch: clips that are drawn and given to the network at a time.
      minimum: clips on either side below which a result carries a warning.
      ddof: see Frechet.
      samples: resamples, of whole motions, for the interval; 0 for none.
    """

    network: str
    drawing: str = "openpose"
    id: str = "fvd_poses"
    frames: int = 16
    stride: int = 16
    height: int = 224
    width: int = 128
    batch: int = 16
    minimum: int = 256
    ddof: int = 1
    samples: int = 200
    seed: int = 0

    def report(self, motions: MotionSet, truth: MotionSet, draw: Draw, features: Features) -> Result:
        """The rows of motion_distance.frechet_rows; counts are clips. Raises ValueError for sets of different frame
        rates or joints, and features that are not finite."""
        check_rate(motions, truth)
        sets = ((motions, same), (truth, same), (truth, shuffled(self.seed)), (motions, repeat_photo()))
        found = [self.features(each, draw, features, change) for each, change in sets]
        frechet = Frechet(self.id, self.minimum, self.ddof, self.samples, seed=self.seed)
        groups = (found[0][1], found[1][1])
        values = frechet_rows(frechet, *(rows for rows, _ in found), groups=groups)
        counts, notes = {"clips": len(groups[0]), "real_clips": len(groups[1]), **motions.lengths}, []
        for side, each in (("motions", motions), ("real motions", truth)):
            short = [name for name, poses in zip(each.names, each.poses, strict=True) if len(poses) < self.frames]
            counts["left_out" if each is motions else "real_left_out"] = len(short)
            if short:
                shown = ", ".join(short[:5])
                notes.append(f"{self.id}: {len(short)} {side} left out, shorter than {self.frames} frames: {shown}")
        notes += frechet.warnings(*map(len, groups))
        result = record(self, values, counts, notes)
        return dataclasses.replace(result, constants={**result.constants, "fps": float(motions.fps)})

    def features(
        self, motions: MotionSet, draw: Draw, features: Features, change: Change = same
    ) -> tuple[np.ndarray, np.ndarray]:
        """Features (N, C) float64 of all clips of the changed motions, and for each the number of its motion. Memory
        holds one batch."""
        clips = [
            (number, start)
            for number, poses in enumerate(motions.poses)
            for start in range(0, len(poses) - self.frames + 1, self.stride)
        ]
        rows = []
        for first in range(0, len(clips), self.batch):
            pictures = np.stack([
                draw(change(motions.poses[number])[start : start + self.frames], self.height, self.width)
                for number, start in clips[first : first + self.batch]
            ])
            rows.append(np.asarray(features(pictures), np.float64))
        owners = np.array([number for number, _ in clips], np.int64)
        return np.concatenate(rows) if rows else np.zeros((0, 1)), owners


__all__ = ["Draw", "Features", "PoseFVD"]
