"""From files to files: a photo and a dance in; a video, its poses and a skeleton preview out."""

import functools
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np
from absl import logging
from ml_collections import ConfigDict

from data_pipeline import image_files, music, pose_estimation, pose_files, poses, provenance, video_files
from data_pipeline.skeleton import PARTS
from launch import stages
from launch.making import dances
from launch.making.dances import Dance, Song
from launch.runs.loading import Run
from launch.shell.progress import Bar, Shows
from xdancer_jax.stages import video_sampling
from xdancer_jax.stages.video_sampling import Sampler

MakesEstimator = Callable[[], pose_estimation.PoseEstimator]  # asked only where a picture must be looked at


class Dancer(NamedTuple):
    """The cropped photo (H, W, 3) uint8 and its pose (60, 3) in record coordinates."""

    photo: np.ndarray
    pose: np.ndarray


def read_dancer(image: str, pose_file: str | None, estimator: MakesEstimator, size: tuple[int, int]) -> Dancer:
    """Reads the photo, finds or reads the pose, and crops both as the paper does, to `size` (height, width).

    Warns of a photo that shows less than half of the legs' joints: the models saw whole dancers.
    """
    if pose_file:
        picture = image_files.read_image(image)
        found = pose_files.load_poses(pose_file)
        if (found.height, found.width) != picture.shape[:2]:
            raise ValueError(
                f"{pose_file}: poses of a {found.height}x{found.width} picture, but {image} is "
                f"{picture.shape[0]}x{picture.shape[1]}; give the pose of this photo"
            )
        pose = found.poses[0]
    else:
        picture, pose = pose_estimation.estimate_file(estimator(), image)
    box, cropped = dances.crop(pose, picture.shape[:2], size, pose_file or image)
    if not legs_in_sight(pose):
        logging.warning(
            "%s: hips, knees and ankles are hardly in sight, so the legs are guessed; give a photo of the whole person",
            image,
        )
    return Dancer(poses.crop_image(picture, box, *size), cropped)


def legs_in_sight(pose: np.ndarray) -> bool:
    """Whether a pose (60, 3) shows at least half of the legs' joints."""
    return bool(np.mean(pose[list(PARTS["lower_body"]), 2] > poses.VISIBLE) >= 0.5)


def first_tokens(
    run: Run, image: str | None, dance_file: str | None, estimator: MakesEstimator, size: tuple[int, int]
) -> np.ndarray:
    """Tokens (n, S, K) that a dance of the motion run begins with: of a file (dances.read_tokens) or of a photo."""
    if dance_file:
        return dances.read_tokens(run, dance_file, size)
    return dances.tokens_of(run, read_dancer(image, None, estimator, size).pose[None])


class Painter:
    """paint(dancer, dance, seed, quiet=True) -> frames (F, H, W, 3) uint8 by the video run, on the devices where its
    weights lie and in the dtype that it was loaded in; it compiles once for all runs of the same modules. The motion
    decoder needs the dance's tokens. Where the weights lie on the devices of several processes all must paint alike.
    paint.stream(...) gives them one after the other as they are decoded: a minute at paper size is 2.5 GB."""

    def __init__(self, run: Run, steps: int | None):
        config, video = run.config, stages.find("video")
        objective = video.objective(config)
        sampler = Sampler(**config.sampler) if steps is None else Sampler(**{**config.sampler, "num_steps": steps})
        self._run = run
        self._generate = _generate(
            video.networks_of(run.modules), objective.schedule, objective.prediction, sampler, run.place
        )

    def __call__(self, dancer: Dancer, dance: Dance, seed: int, quiet: bool = True) -> np.ndarray:
        return np.stack(list(self._painted(dancer, dance, seed, quiet)))

    def stream(
        self, dancer: Dancer, dance: Dance, seed: int, quiet: bool = True, shows: Shows | None = None
    ) -> Iterator[np.ndarray]:
        """shows: instead of a bar."""
        frames = self._painted(dancer, dance, seed, quiet, shows)
        return frames if jax.process_count() == 1 else iter(list(frames))  # all decode, whoever looks at them

    def _painted(
        self, dancer: Dancer, dance: Dance, seed: int, quiet: bool, shows: Shows | None = None
    ) -> Iterator[np.ndarray]:
        run, conditions = self._run, {"poses": dance.poses}
        if run.config.pose_control == "pose_guider":
            conditions["pose_images"] = _Drawn(dance.poses, *dancer.photo.shape[:2])
        if run.config.pose_control == "motion_decoder":
            conditions["tokens"] = dance.tokens
        with shows("video", "window") if shows else Bar("video", "window", quiet) as progress:
            for chunk in self._generate.stream(
                run.params, run.extra, _key(run.place.whole(np.uint32(seed))), reference=dancer.photo,
                progress=progress, **conditions,
            ):
                yield from np.round(255 * chunk).astype(np.uint8)


def painter(run: Run, steps: int | None) -> Painter:
    """Of a video run; in `steps` denoising steps, the run's if None."""
    return Painter(run, steps)


class _Drawn:
    """Skeletons by frame number, drawn when asked for: a minute of them at paper size is 2.5 GB."""

    def __init__(self, of: np.ndarray, height: int, width: int):
        self._poses, self._size = of, (height, width)

    def __len__(self) -> int:
        return len(self._poses)

    def __getitem__(self, frames: np.ndarray) -> np.ndarray:
        return poses.draw(self._poses[frames], *self._size)


# What is compiled belongs to the function: a run at its next checkpoint, with the modules of the one before, has it.
_generate = functools.lru_cache(maxsize=4)(video_sampling.make_generate)
_key = jax.jit(jax.random.key)  # by itself it would send the seed without being told to


def video_size(size: str | None, config: ConfigDict) -> tuple[int, int]:
    """(height, width) of the flag --size, or else of the video run's config. Raises ValueError for one that the
    networks cannot paint: the autoencoder and then the U-Net halve it at each level but the first."""
    if size is None:
        return config.data.height, config.data.width
    levels = len(config.earlier.autoencoder.model.block_out_channels) + len(config.model.unet.block_out_channels)
    return parse_size(size, 2 ** (levels - 2))


def parse_size(size: str, multiple: int) -> tuple[int, int]:
    """(height, width) of the flag --size. Raises ValueError unless both are multiples of `multiple`."""
    match = re.fullmatch(r"(\d+)x(\d+)", size)
    if not match or any(int(n) % multiple or int(n) == 0 for n in match.groups()):
        raise ValueError(f"--size={size}: give HEIGHTxWIDTH, both multiples of {multiple}, such as 896x512")
    return int(match[1]), int(match[2])


def write(
    out: str, frames: Iterable[np.ndarray], dancer: Dancer, dance: Dance, song: Song, shows: Shows = Bar
) -> list[Path]:
    """The video with its song, and beside it OUT_poses.npz and OUT_skeleton.mp4; each appears whole or not at all.
    frames: (H, W, 3) uint8, one after the other, of the size of the dancer's photo."""
    height, width = dancer.photo.shape[:2]
    paths = outputs(out)
    with shows("write", "file") as progress:
        video_files.write_video(
            paths[0], frames, music.FPS, song.audio, dances.AUDIO_RATE, source=provenance.GENERATED
        )
        progress(1, 3)
        dances.write_poses(paths[1], dance, height, width)
        progress(2, 3)
        dances.write_preview(paths[2], dance, song, height, width)
        progress(3, 3)
    return paths


def outputs(out: str) -> list[Path]:
    """[video, poses, preview] for the flag --out."""
    path = Path(out)
    return [path, path.with_name(f"{path.stem}_poses.npz"), path.with_name(f"{path.stem}_skeleton.mp4")]
