"""Dancers and songs that are made here, so that something dances where nobody has a photo at hand.

Each comes with the dancer's pose, so that no pose estimator is needed either. No training set has them: theirs are
drawn from other seeds (data_pipeline.toy.clip).
"""

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from PIL import Image
from scipy.io import wavfile

from data_pipeline import music, pose_files, poses, toy

GENRES: Final = (0, 1, 3)  # of toy.GENRES; the demo shows the first
_SEED: Final = 2040  # whose first poses are whole
_SECONDS: Final = 20.0
_HEIGHT: Final = 448


class Example(NamedTuple):
    name: str
    photo: Path
    pose: Path
    song: Path


def make(folder: Path, size: tuple[int, int], seconds: float = _SECONDS) -> list[Example]:
    """An example of each of GENRES in `folder`, which exists. size: (height, width) of the video; photos have its
    shape."""
    return [make_one(folder, size, genre, seconds) for genre in GENRES]


def make_one(folder: Path, size: tuple[int, int], genre: int, seconds: float = _SECONDS) -> Example:
    """The same of one genre of toy.GENRES."""
    width, name = 2 * round(_HEIGHT * size[1] / size[0] / 2), toy.GENRES[genre].name
    rng = np.random.default_rng((_SEED, genre))
    song, dancer = toy.make_song(rng, genre, seconds), toy.make_dancer(rng)
    motion = toy.make_motion(rng, song, dancer, 2, aspect=width / _HEIGHT)
    files = Example(name, *(folder / f"{name}{suffix}" for suffix in (".png", ".npz", ".wav")))
    Image.fromarray(toy.render(motion.joints[:1], dancer, _HEIGHT, width)[0]).save(files.photo)
    pose = poses.denormalise(motion.poses[:1], _HEIGHT, width)
    pose_files.save_poses(files.pose, np.asarray(pose, np.float32), music.FPS, _HEIGHT, width)
    wavfile.write(files.song, song.sample_rate, np.round(song.audio * 32767).astype(np.int16))
    return files


__all__ = ["GENRES", "Example", "make", "make_one"]
