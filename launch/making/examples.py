"""Dancers and songs to click: made here, so that the app shows something where nobody has a photo at hand.

Each comes with the dancer's pose, so that no pose estimator is needed either.
"""

from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from PIL import Image
from scipy.io import wavfile

from data_pipeline import music, pose_files, poses, toy

_SEED: Final = 2025
_GENRES: Final = (0, 1, 3)  # of toy.GENRES
_SECONDS: Final = 20.0
_HEIGHT: Final = 448


class Example(NamedTuple):
    name: str
    photo: Path
    pose: Path
    song: Path


def make(folder: Path, size: tuple[int, int], seconds: float = _SECONDS) -> list[Example]:
    """Examples in `folder`, which exists. size: (height, width) of the video, whose shape the photos have."""
    width = 2 * round(_HEIGHT * size[1] / size[0] / 2)
    made = []
    for genre in _GENRES:
        name = toy.GENRES[genre].name
        rng = np.random.default_rng((_SEED, genre))
        song, dancer = toy.make_song(rng, genre, seconds), toy.make_dancer(rng)
        motion = toy.make_motion(rng, song, dancer, 2, aspect=width / _HEIGHT)
        files = Example(name, *(folder / f"{name}{suffix}" for suffix in (".png", ".npz", ".wav")))
        Image.fromarray(toy.render(motion.joints, dancer, _HEIGHT, width)[0]).save(files.photo)
        pose = poses.denormalise(motion.poses[:1], _HEIGHT, width)
        pose_files.save_poses(files.pose, np.asarray(pose, np.float32), music.FPS, _HEIGHT, width)
        wavfile.write(files.song, song.sample_rate, np.round(song.audio * 32767).astype(np.int16))
        made.append(files)
    return made


__all__ = ["Example", "make"]
