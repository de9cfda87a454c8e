"""From files to files: a photo and a song in; a video, its poses and a skeleton preview out."""

import functools
import math
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict
from tqdm import tqdm

from data_pipeline import media, music, pose_estimation, pose_files, pose_weights, poses
from launch import build
from launch.runs import Run
from xdancer_jax import sharding
from xdancer_jax.stages import motion_sampling, video_sampling
from xdancer_jax.stages.tokenizer import encode
from xdancer_jax.stages.video import Sampler

AUDIO_RATE = 44_100


class Song(NamedTuple):
    """audio: (N,) float32 mono at AUDIO_RATE. features: (F, 35) raw, at 30 fps, of the whole song."""

    audio: np.ndarray
    features: np.ndarray


class Dancer(NamedTuple):
    """The cropped photo (H, W, 3) uint8 and its pose (60, 3) in record coordinates."""

    photo: np.ndarray
    pose: np.ndarray


def read_song(path: str, shortest: int) -> Song:
    """Decodes and analyses a song. ValueError names the file; `shortest` is the least number of frames."""
    audio = media.read_audio(path, AUDIO_RATE)
    try:
        features = music.features(audio, AUDIO_RATE)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if len(features) < shortest:
        raise ValueError(
            f"{path}: {len(features) / music.FPS:.2f} s long, shorter than one segment of the motion model "
            f"({shortest / music.FPS:.2f} s); give a longer song"
        )
    return Song(audio, features)


def read_dancer(image: str, pose_file: str | None, pose_weights_dir: str | None, size: tuple[int, int]) -> Dancer:
    """Reads the photo, finds or reads the pose, and crops both as the paper does, to `size` (height, width)."""
    if pose_file:
        picture = media.read_image(image)
        found = pose_files.load_poses(pose_file)
        if (found.height, found.width) != picture.shape[:2]:
            raise ValueError(
                f"{pose_file}: poses of a {found.height}x{found.width} picture, but {image} is "
                f"{picture.shape[0]}x{picture.shape[1]}; give the pose of this photo"
            )
        pose = found.poses[0]
    else:
        weights = pose_weights.find_weights(pose_weights_dir)
        picture, pose = pose_estimation.estimate_file(pose_estimation.MediaPipeEstimator(*weights), image)
    height, width = size
    try:
        box = poses.crop_box(pose, *picture.shape[:2], aspect=height / width)
    except ValueError as error:
        raise ValueError(f"{pose_file or image}: {error}") from error
    cropped = poses.normalise(poses.crop_poses(pose, box, height, width), height, width)
    return Dancer(poses.crop_image(picture, box, height, width), cropped)


def choreograph(
    run: Run, songs: Sequence[Song], starts: Sequence[np.ndarray], num_frames: int, seeds: Sequence[int], *,
    quiet: bool = False,
) -> list[dict[str, np.ndarray]]:
    """A dance a song, {"tokens": (F, S, K), "poses": (F, 60, 3)}, by the motion run for the first `num_frames` of each.

    starts: poses (n, 60, 3) from which each dance goes on, all of one n (see motion_sampling.stream).
    """
    config = run.config
    features = [music.normalise(song.features) for song in songs]
    segments = motion_sampling.Segments(config.overlap_frames, config.data.previous)
    with _Bar("motion", "frame", quiet) as progress:
        made = motion_sampling.generate(
            build.music_gpt(config), build.pose_tokenizer(config.earlier.tokenizer), run.params, run.extra,
            np.stack([song[:num_frames] for song in features]),
            np.stack([music.pool(song, config.model.global_tokens) for song in features]), np.stack(starts),
            seeds=seeds, sampling=motion_sampling.Sampling(**config.sampling), segments=segments,
            mesh=_mesh(len(songs)), progress=progress,
        )
    return [dict(zip(made, row, strict=True)) for row in zip(*made.values(), strict=True)]


def _mesh(rows: int) -> Mesh | None:
    """As many devices as divide the dances; None for one device."""
    count = math.gcd(rows, jax.device_count())
    return sharding.make_mesh({"data": count}, jax.devices()[:count]) if count > 1 else None


def tokens_of(run: Run, clip: np.ndarray) -> np.ndarray:
    """Tokens (F, S, K) of the poses (F, 60, 3) of a whole clip by the tokenizer inside a video run."""
    tokenizer = build.pose_tokenizer(run.config.earlier.tokenizer)
    return np.asarray(_encode(tokenizer, run.extra["frozen"]["tokenizer"], clip[None])[0])


_encode = jax.jit(encode, static_argnums=0)


def painter(run: Run, steps: int | None) -> Callable[..., np.ndarray]:
    """paint(dancer, dance, seed, quiet=True) -> frames (F, H, W, 3) uint8 by the video run; make it once, it compiles.

    `dance` holds "poses" (F, 60, 3) and, for the motion decoder, "tokens" (F, S, K).
    """
    config, objective = run.config, build.objective(run.config)
    sampler = Sampler(**config.sampler) if steps is None else Sampler(**{**config.sampler, "num_steps": steps})
    generate = video_sampling.make_generate(
        build.networks(config), objective.schedule, objective.prediction, sampler
    )

    def paint(dancer: Dancer, dance: dict[str, np.ndarray], seed: int, quiet: bool = True) -> np.ndarray:
        conditions = {"poses": dance["poses"]}
        if config.pose_control == "pose_guider":
            conditions["pose_images"] = poses.draw(dance["poses"], *dancer.photo.shape[:2])
        else:
            conditions["tokens"] = dance["tokens"]
        with _Bar("video", "window", quiet) as progress:
            frames = generate(
                run.params, run.extra, jax.random.key(seed), reference=dancer.photo, progress=progress, **conditions
            )
        return np.round(255 * frames).astype(np.uint8)

    return paint


def video_size(size: str | None, config: ConfigDict) -> tuple[int, int]:
    """(height, width) of the flag --size, or else of the video run's config. Raises ValueError for one that the
    networks cannot paint: the autoencoder and then the U-Net halve it at each level but the first."""
    if size is None:
        return config.data.height, config.data.width
    levels = len(config.earlier.autoencoder.model.block_out_channels) + len(config.model.unet.block_out_channels)
    multiple = 2 ** (levels - 2)
    match = re.fullmatch(r"(\d+)x(\d+)", size)
    if not match or any(int(n) % multiple or int(n) == 0 for n in match.groups()):
        raise ValueError(f"--size={size}: give HEIGHTxWIDTH, both multiples of {multiple}, such as 896x512")
    return int(match[1]), int(match[2])


def write(out: str, frames: np.ndarray, dance: dict[str, np.ndarray], song: Song) -> list[Path]:
    """The video with its song, and beside it OUT_poses.npz and OUT_skeleton.mp4; each appears whole or not at all."""
    height, width = frames.shape[1:3]
    paths = outputs(out)
    with _Bar("write", "file") as progress:
        preview = poses.draw(dance["poses"], height, width)
        media.write_video(paths[2], preview, music.FPS, song.audio, AUDIO_RATE)
        progress(1, 3)
        pixels = poses.denormalise(dance["poses"], height, width)
        pose_files.save_poses(paths[1], pixels, fps=music.FPS, height=height, width=width)
        progress(2, 3)
        media.write_video(paths[0], frames, music.FPS, song.audio, AUDIO_RATE)
        progress(3, 3)
    return paths


def outputs(out: str) -> list[Path]:
    """[video, poses, preview] for the flag --out."""
    path = Path(out)
    return [path, path.with_name(f"{path.stem}_poses.npz"), path.with_name(f"{path.stem}_skeleton.mp4")]


def check_out(out: str, suffix: str = ".mp4", flag: str = "out") -> None:
    """Fails before the long work starts: OSError for a folder that cannot be written, ValueError for another suffix."""
    path = Path(out)
    if path.suffix != suffix or path.is_dir():
        raise ValueError(f"--{flag}={out}: the file's name must end in {suffix}, and no folder have it")
    if not path.parent.is_dir():
        raise OSError(f"--{flag}={out}: folder {path.parent} does not exist")
    try:
        with tempfile.TemporaryFile(dir=path.parent) as file:
            file.write(b"\0" * 4096)
            os.fsync(file.fileno())
    except OSError as error:
        raise OSError(f"--{flag}={out}: cannot write into {path.parent}: {error.strerror}") from error


class _Bar:
    """A progress bar as the callback(done, total) that the stages call."""

    def __init__(self, name: str, unit: str, quiet: bool = False):
        self._make = functools.partial(tqdm, desc=name, unit=unit, disable=quiet)
        self._bar = None

    def __enter__(self) -> Callable[[int, int], None]:
        return self._update

    def __exit__(self, *unused) -> None:
        if self._bar is not None:
            self._bar.close()

    def _update(self, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = self._make(total=total)
        self._bar.update(done - self._bar.n)
