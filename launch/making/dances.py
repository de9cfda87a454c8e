"""From songs and a first pose to dances: what the motion stage needs from files, and what it leaves in them."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from data_pipeline import audio_files, music, pose_files, poses, provenance, video_files
from data_pipeline.feature_sets import refuse_other
from launch.runs.loading import Run
from launch.shell.progress import Bar, Shows
from xdancer_jax import sharding
from xdancer_jax.stages import motion_sampling
from xdancer_jax.stages.motion_sampling import Sampling
from xdancer_jax.stages.tokenizer import check_tokens
from xdancer_jax.typing import Params

AUDIO_RATE = 44_100
_SAME_POSES = 0.01  # mean difference, of half heights, below which tokens decode to the poses beside them


class Song(NamedTuple):
    """audio: (N,) float32 mono at AUDIO_RATE. features: (F, M) raw, at 30 fps, of the whole song."""

    audio: np.ndarray
    features: np.ndarray


class Dance(NamedTuple):
    """poses (F, 60, 3) in record coordinates; tokens (F, S, K) int32 that decode to them, where they are wanted."""

    poses: np.ndarray
    tokens: np.ndarray | None


def read_song(run: Run, path: str) -> Song:
    """Decodes a song and analyses it as the motion run has heard songs. ValueError names the file: one shorter than a
    segment, features that are not computed here, or differ by now from those that the run was trained on."""
    shortest = run.config.model.segment_frames
    try:
        refuse_other(run.features, music.find(run.features.name), "computed here")
    except ValueError as error:
        raise ValueError(f"{path}: cannot be heard as {run.workdir} has to: {error}") from error
    audio = audio_files.read_audio(path, AUDIO_RATE)
    try:
        features = music.extract(run.features.name, audio, AUDIO_RATE)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    if len(features) < shortest:
        raise ValueError(
            f"{path}: {len(features) / music.FPS:.2f} s long, shorter than one segment of the motion model "
            f"({shortest / music.FPS:.2f} s); give a longer song"
        )
    return Song(audio, features)


def crop(
    clip: np.ndarray, picture: tuple[int, int], size: tuple[int, int], name: str
) -> tuple[tuple[int, int, int, int], np.ndarray]:
    """The paper's crop around all poses (..., 60, 3) of a `picture` (height, width), to the shape of `size`: its box,
    and the poses in record coordinates. Raises ValueError, which names the file `name`."""
    try:
        box = poses.crop_box(clip, *picture, aspect=size[0] / size[1])
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    return box, poses.normalise(poses.crop_poses(clip, box, *size), *size)


def tokens_of(run: Run, clip: np.ndarray) -> np.ndarray:
    """Tokens (F, S, K) of the poses (F, 60, 3) of a whole clip by the tokenizer inside a motion or a video run."""
    return motion_sampling.tokens_of(*_tokenizer(run), clip[None])[0]


def read_tokens(run: Run, path: str, size: tuple[int, int]) -> np.ndarray:
    """Tokens (F, S, K) of the dance in a file: those beside its poses, or else what the tokenizer makes of the poses at
    30 fps, cropped to the shape of `size` (height, width).

    Raises:
      ValueError: see pose_files.load_poses and crop; tokens of another tokenizer than the run's. It names the file.
    """
    clip = pose_files.load_poses(path)
    if clip.tokens is None:
        _, cropped = crop(clip.poses, (clip.height, clip.width), size, path)
        return tokens_of(run, poses.resample(cropped, clip.times, music.FPS))
    model = run.config.model
    try:
        check_tokens(clip.tokens, model.num_parts, model.tokens_per_part, model.codebook_size)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    decoded = motion_sampling.poses_of(*_tokenizer(run), clip.tokens[None])[0]
    if np.abs(decoded - poses.normalise(clip.poses, clip.height, clip.width)).mean() > _SAME_POSES:
        raise ValueError(
            f"{path}: its tokens are of another tokenizer than that of {run.workdir}: they decode to other poses than "
            "the file's; give a dance made by this run, or a pose file without tokens"
        )
    return clip.tokens


def choreograph(
    run: Run, songs: Sequence[Song], given: Sequence[np.ndarray], num_frames: int, seeds: Sequence[int], *,
    sampling: Sampling | None = None, quiet: bool = False, shows: Shows | None = None,
) -> list[Dance]:
    """A dance a song by the motion run, for the first `num_frames` of each or all that it has.

    given: tokens (n, S, K) from which each dance goes on, all of one n (motion_sampling.stream). sampling: instead of
    the run's own. shows: instead of a bar. Of several processes each makes its own dances on its own devices; where the
    run's weights lie on those of all, all must call it.
    """
    config = run.config
    features = [run.features.normalise(song.features) for song in songs]
    frames = [min(num_frames, len(song)) for song in features]
    known = len(given[0])
    if known > 1 and known >= min(frames):
        raise ValueError(
            f"{known} frames are given, the shortest dance has {min(frames)}: nothing is left to make; give a "
            "longer song or --seconds, or fewer frames to --continue_from"
        )
    longest = max(frames)
    made = np.stack([  # later music changes nothing, so that shorter songs end in silence
        np.pad(song[:count], ((0, longest - count), (0, 0))) for song, count in zip(features, frames, strict=True)
    ])
    mesh = _mesh(len(songs))
    with shows("motion", "frame") if shows else Bar("motion", "frame", quiet) as progress:
        tokens = motion_sampling.generate(
            run.modules["gpt"], _on(mesh, sharding.here(run.params["gpt"])), made,
            np.stack([music.pool(song, config.model.global_tokens) for song in features]), np.stack(given),
            seeds=seeds, sampling=sampling or Sampling(**config.sampling),
            segments=motion_sampling.Segments(config.overlap_frames, config.data.previous), mesh=mesh,
            progress=progress,
        )
    # One by one at their own lengths: a frame's pose depends on the frames after it.
    kept = [row[:count] for row, count in zip(tokens, frames, strict=True)]
    return [Dance(motion_sampling.poses_of(*_tokenizer(run), row[None])[0], row) for row in kept]


def of_photo(
    run: Run, song: Song, pose: np.ndarray, seconds: float | None, seed: int, sampling: Sampling | None = None,
    shows: Shows | None = None,
) -> Dance:
    """The dance of a photo's pose (60, 3) to a song, of `seconds`, or else of all of it (`choreograph`)."""
    frames, given = frame_count(seconds, len(song.features)), tokens_of(run, pose[None])
    return choreograph(run, [song], [given], frames, [seed], sampling=sampling, shows=shows)[0]


def _tokenizer(run: Run):
    return run.modules["tokenizer"], sharding.here(run.variables("tokenizer"))


def _mesh(rows: int) -> Mesh | None:
    """As many of this process's devices as divide the dances; None for one device."""
    count = math.gcd(rows, jax.local_device_count())
    return sharding.make_mesh({"data": count}, jax.local_devices()[:count]) if count > 1 else None


def _on(mesh: Mesh | None, params: Params) -> Params:
    """A copy of the weights on every device of the mesh, made once."""
    return params if mesh is None else jax.device_put(params, sharding.replicated(mesh))


def frame_count(seconds: float | None, longest: int) -> int:
    """Frames of the flag --seconds; `longest` without it."""
    return longest if seconds is None else min(longest, max(1, round(seconds * music.FPS)))


def write_poses(path: Path, dance: Dance, height: int, width: int) -> None:
    """A pose file of a height x width picture, with the tokens in it; read_tokens reads it."""
    pixels = poses.denormalise(dance.poses, height, width)
    pose_files.save_poses(path, pixels, fps=music.FPS, height=height, width=width, tokens=dance.tokens)


def write_preview(path: Path, dance: Dance, song: Song, height: int, width: int) -> None:
    """A video of the skeleton with its song."""
    drawn = (poses.draw(pose, height, width) for pose in dance.poses)  # all at once would fill the memory
    video_files.write_video(path, drawn, music.FPS, song.audio, AUDIO_RATE, source=provenance.GENERATED)


def write(path: Path, dance: Dance, song: Song, height: int, width: int) -> list[Path]:
    """PATH.npz and PATH.mp4."""
    files = [path.with_name(path.name + suffix) for suffix in (".npz", ".mp4")]
    write_poses(files[0], dance, height, width)
    write_preview(files[1], dance, song, height, width)
    return files


def write_all(
    run: Run, rows: Sequence[tuple[Path, tuple[Song, int]]], given: np.ndarray, num_frames: int, size: tuple[int, int],
    sampling: Sampling,
) -> list[Path]:
    """Makes a dance of each row's song and seed, all from `given`, and writes each under its row's path (`write`)."""
    songs, seeds = zip(*(row for _, row in rows), strict=True)
    made = choreograph(run, songs, [given] * len(rows), num_frames, list(seeds), sampling=sampling)
    named = zip(rows, made, strict=True)
    return [file for (path, (song, _)), dance in named for file in write(path, dance, song, *size)]


def outputs(folder: str, songs: Sequence[str], seeds: Sequence[int]) -> list[Path]:
    """FOLDER/SONG_SEED without a suffix, for each song and each of its seeds. Raises ValueError for one name twice."""
    names = [f"{Path(song).stem}_{seed}" for song in songs for seed in seeds]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two dances would be named {twice[0]}: give each seed once, and songs of other names")
    return [Path(folder) / name for name in names]
