"""A dance beside a photo: a video of both, and a small animation for pages that play no videos."""

import io
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from data_pipeline import music, poses, provenance, video_files
from data_pipeline.files import write_atomically
from launch.making import dances
from launch.making.dances import Dance, Song
from launch.making.painting import Dancer

_EVERY: Final = 2  # of the frames that an animation shows: half the size, and still smooth
_QUALITY: Final = 60  # of WebP's 100


def write_video(path: Path, dancer: Dancer, dance: Dance, song: Song) -> None:
    """The photo at the left, the skeleton's dance at the right, with the song. Whole or not at all."""
    size = dancer.photo.shape[:2]
    frames = (np.concatenate([dancer.photo, poses.draw(pose, *size)], axis=1) for pose in dance.poses)
    video_files.write_video(path, frames, music.FPS, song.audio, dances.AUDIO_RATE, source=provenance.COMPOSITE)


def write_animation(path: Path, dancer: Dancer, frames: np.ndarray, dance: Dance) -> None:
    """An animated WebP of the photo, what was painted of it (F, H, W, 3) uint8 and the skeleton: every second frame; it
    begins anew at its end, and says that some of it was made by a model. Whole or not at all."""
    drawn = poses.draw(dance.poses[::_EVERY], *dancer.photo.shape[:2])
    panels = [np.concatenate([dancer.photo, *pair], axis=1) for pair in zip(frames[::_EVERY], drawn, strict=True)]
    first, *others = map(Image.fromarray, panels)
    file, milliseconds = io.BytesIO(), round(1000 * _EVERY / music.FPS)
    first.save(
        file, "WEBP", save_all=True, append_images=others, duration=milliseconds, loop=0, quality=_QUALITY, method=4,
        xmp=provenance.xmp(provenance.COMPOSITE),
    )
    write_atomically(path, file.getvalue())


__all__ = ["write_animation", "write_video"]
