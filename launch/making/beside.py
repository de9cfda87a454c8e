"""A dance beside a photo: a video of both, and a small animation for pages that play no videos."""

import io
from collections.abc import Iterable, Iterator, Sequence
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


def panels(photo: np.ndarray, made: Iterable[np.ndarray], dance: Dance) -> Iterator[np.ndarray]:
    """Frames (H, 3 W, 3): the photo, what was painted of it, the skeleton."""
    for frame, pose in zip(made, dance.poses, strict=True):
        yield np.concatenate([photo, frame, poses.draw(pose, *photo.shape[:2])], axis=1)


def write_animation(path: Path, frames: Sequence[np.ndarray]) -> None:
    """An animated WebP of every second frame (H, W, 3) uint8 of a video, which begins anew at its end; what it says of
    its source is that some of it was made by a model. Whole or not at all."""
    first, *others = (Image.fromarray(frame) for frame in frames[::_EVERY])
    file, milliseconds = io.BytesIO(), round(1000 * _EVERY / music.FPS)
    first.save(
        file, "WEBP", save_all=True, append_images=others, duration=milliseconds, loop=0, quality=_QUALITY, method=4,
        xmp=provenance.xmp(provenance.COMPOSITE),
    )
    write_atomically(path, file.getvalue())


__all__ = ["panels", "write_animation", "write_video"]
