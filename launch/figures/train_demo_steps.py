"""The main job end to end at tiny size: the commands a user would type, in two lanes on two cores."""

import concurrent.futures
import dataclasses
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import wavfile

from data_pipeline import image_files, music, pose_files, poses, sources
from data_pipeline.schema import FRAMES


@dataclasses.dataclass(frozen=True)
class Setting:
    """Size of a demo. `overrides` are given to every training run."""

    clips: int
    test_clips: int
    frames: int
    seconds: float
    guider: bool
    overrides: tuple[str, ...] = ()


SETTINGS = {
    "demo": Setting(clips=128, test_clips=16, frames=240, seconds=8, guider=True),
    # Proves that every step but the guider runs; its models have learnt next to nothing.
    "smoke": Setting(
        clips=4, test_clips=2, frames=150, seconds=4, guider=False,
        overrides=("--config.steps=6", "--config.optimizer.warmup_steps=0"),
    ),
}

# Parts that the run with the pose guider takes from the one with the motion decoder.
_SHARED = ("autoencoder", "unet", "reference_net", "image_encoder", "photo")


class Demo:
    """Runs the commands under `out`; keeps the seconds of each and the largest process."""

    def __init__(self, setting: Setting, out: Path):
        self.setting, self.out = setting, out
        self.seconds: dict[str, float] = {}
        self.data = out / "data"

    @property
    def peak_gigabytes(self) -> float:
        """Resident memory of the largest command so far; at most two run at a time."""
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20

    def run(self, name: str, module: str, *arguments: str) -> None:
        """`python -m MODULE ARGUMENTS`, its output in OUT/logs/NAME.log. Raises ValueError with its last line."""
        log = self.out / "logs" / f"{name}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        print(f"  {name}: python -m {module} {' '.join(arguments)}", flush=True)
        began = time.perf_counter()
        with log.open("w") as file:
            done = subprocess.run(
                [sys.executable, "-m", module, *arguments], stdout=file, stderr=subprocess.STDOUT, check=False,
                env=os.environ | {"PYTHONUNBUFFERED": "1"},
            )
        self.seconds[name] = time.perf_counter() - began
        if done.returncode:
            last = (log.read_text().strip().splitlines() or ["no output"])[-1]
            raise ValueError(f"{name} failed: {last} (see {log})")
        print(f"  {name}: done in {self.seconds[name]:.0f} s", flush=True)

    def train(self, name: str, config: str, *overrides: str) -> None:
        """A training run into OUT/NAME."""
        self.run(
            name, "launch.train", f"--config=configs/{config}", f"--workdir={self.out / name}",
            f"--config.data.dir={self.data}", "--config.samples=0", *self.setting.overrides, *overrides,
        )

    def prepare(self) -> None:
        setting = self.setting
        self.run(
            "prepare", "launch.prepare", "--config=configs/data.py:toy", f"--data={self.data}",
            f"--config.train_clips={setting.clips}", f"--config.test_clips={setting.test_clips}",
            f"--config.frames={setting.frames}",
        )

    def train_and_generate(self) -> None:
        """Two lanes: what only needs poses and music here, what needs pictures in the pool; the guider comes last."""
        with concurrent.futures.ThreadPoolExecutor(2) as lane:
            autoencoder = lane.submit(self.train, "autoencoder", "autoencoder.py:tiny")
            self.train("tokenizer", "tokenizer.py:tiny")
            earlier = [self._source("autoencoder"), self._source("tokenizer")]
            appearance = lane.submit(self._train_video, "video_appearance", "appearance", *earlier, after=autoencoder)
            start = f"--config.start={self.out / 'video_appearance'}"
            video = lane.submit(self._train_video, "video", "motion", start, after=appearance)
            self.train("motion", "motion.py:tiny", self._source("tokenizer"))
            dance = lane.submit(self.generate, after=video)
            self.train("tokenizer_single_part", "tokenizer.py:tiny_single_part")
            if self.setting.guider:  # starts from the motion decoder's U-Net and ReferenceNet, so a third will do
                self._train_video(
                    "video_guider", "appearance", "--config.pose_control=pose_guider", "--config.steps=150", start,
                    *(f"--config.parts.{part}.source=start" for part in _SHARED), after=appearance,
                )
            dance.result()

    def _train_video(self, name: str, phase: str, *overrides: str, after: concurrent.futures.Future) -> None:
        after.result()
        self.train(name, f"video.py:tiny_{phase}", *overrides)

    def _source(self, part: str) -> str:
        return f"--config.parts.{part}.source=run:{self.out / part}"

    def generate(self, after: concurrent.futures.Future) -> None:
        """A dance for a held-out dancer and a held-out song, which are not of one clip."""
        after.result()
        photo, song = self.out / "photo.png", self.out / "song.wav"
        clips = sources.from_directory(str(self.data), "test", ["poses", "audio", "audio_rate", FRAMES])
        first, last = clips[0], clips[len(clips) - 1]
        picture = image_files.decode_jpeg(first.picture(0))
        Image.fromarray(picture).save(photo)
        wavfile.write(song, last.value("audio_rate"), last.value("audio"))
        height, width = picture.shape[:2]
        pose = poses.denormalise(first.poses(0, 1), height, width)
        pose_files.save_poses(self.out / "pose.npz", np.asarray(pose), music.FPS, height, width)
        self.run(
            "generate", "launch.generate", f"--image={photo}", f"--pose={self.out / 'pose.npz'}", f"--music={song}",
            f"--runs={self.out}", f"--out={self.out / 'dance.mp4'}", f"--seconds={self.setting.seconds}",
        )


def set_environment() -> None:
    """What makes short runs on a CPU fast, for this process and its commands; before JAX computes anything.

    XLA's level 1 takes a third less time in the compiler for steps that take some 5% longer. Huge pages, which glibc
    (from 2.35) must be told of when a process starts, make reading weights some 6% faster.
    """
    os.environ["XLA_FLAGS"] = f"--xla_backend_optimization_level=1 {os.environ.get('XLA_FLAGS', '')}"
    os.environ.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")


def video_runs(setting: Setting) -> list[str]:
    """Names of the video runs that are measured; the guider's has seen the appearance phase alone."""
    return ["video", "video_guider"] if setting.guider else ["video"]


def workdirs(setting: Setting, out: Path) -> list[Path]:
    """Work directories of all training runs."""
    names = ("tokenizer", "tokenizer_single_part", "motion", "autoencoder", "video_appearance", *video_runs(setting))
    return [out / name for name in names]
