"""What all TFDS builders share, and the one of the toy dance set: ArrayRecord files, written without TensorFlow.

tfds is imported here, so whoever only loads data should not import this module.
"""

import contextlib
import dataclasses
import functools
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from etils import epath
from tqdm import tqdm

from data_pipeline import files, fingerprints, music, schema, toy
from data_pipeline import workers as worker_processes


class Builder(tfds.core.GeneratorBasedBuilder):
    """A builder of ArrayRecord files that states the set's format and fingerprint beside them.

    The config has `settings() -> dict`: what decides the bytes of the set, its place apart, in values of JSON.
    """

    # tfds 4.9.10 finds this out with importlib_resources, which it requires but does not declare for Python >= 3.9.
    code_path = epath.Path(__file__)

    def __init__(self, **kwargs: Any):
        super().__init__(file_format="array_record", **kwargs)

    def _download_and_prepare(self, dl_manager: Any, download_config: Any = None) -> None:
        """tfds calls this in a folder that it renames at the end: a set has its fingerprint or is not there."""
        super()._download_and_prepare(dl_manager, download_config)
        settings = {"builder": self.name, "version": str(self.version), **self.builder_config.settings()}
        fingerprints.write(self.data_dir, settings)


@dataclasses.dataclass(kw_only=True)
class ToyConfig(tfds.core.BuilderConfig):
    """What decides the bytes of a toy set; its name, made from these, is the folder.

    Attributes:
        seed: of every clip.
        train_clips, test_clips: clips a split; the splits share no song and no dancer.
        frames: of each clip, at 30 fps.
        height, width: of the pictures, pixels.
        choreography: every clip is the same dance, which the genres do not have; to fine-tune on.
    """

    name: str = dataclasses.field(default="", init=False)
    seed: int = 0
    train_clips: int = 64
    test_clips: int = 8
    frames: int = 360
    height: int = 112
    width: int = 64
    choreography: bool = False

    def __post_init__(self):
        self.name = (
            f"seed{self.seed}_clips{self.train_clips}-{self.test_clips}_frames{self.frames}_{self.height}x{self.width}"
        )
        if self.choreography:
            self.name = f"choreography_{self.name}"
        if self.train_clips < 1 or self.test_clips < 1:
            raise ValueError(f"clips: a split needs at least 1, got {self.train_clips} and {self.test_clips}")

    def settings(self) -> dict[str, Any]:
        own = ("seed", "train_clips", "test_clips", "frames", "height", "width", "choreography")
        return {name: getattr(self, name) for name in own}


class ToyDance(Builder):
    """Procedural dances with exact beats and poses (data_pipeline/toy)."""

    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, *, run: Callable[..., Iterable[Any]] = map, **kwargs: Any):
        """`run` is `map` or the map of a process pool, for the work of rendering. The rest goes to tfds."""
        self._run = run
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            description="Procedural dances: music with known beats, an articulated figure, exact poses.",
            features=schema.tfds_features(),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        config = self.builder_config
        counts = {"train": config.train_clips, "test": config.test_clips}
        return {split: self._generate_examples(split, count) for split, count in counts.items()}

    def _generate_examples(self, split: str, count: int) -> Iterator[tuple[int, dict[str, Any]]]:
        make = functools.partial(make_example, self.builder_config.settings(), split)
        yield from enumerate(tqdm(self._run(make, range(count)), desc=f"toy {split}", total=count, unit="clip"))


@contextlib.contextmanager
def _mapper(workers: int):
    """`map`, over spawned processes if `workers`; on an error or interrupt the clips still waiting are dropped."""
    if workers == 0:
        yield map
        return
    spawn = multiprocessing.get_context("spawn")
    others = multiprocessing.active_children()
    with worker_processes.starting():
        pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=worker_processes.follow_parent)
        for _ in range(workers):
            pool.submit(int)  # starts one each time, as none is idle yet
    try:
        yield pool.map
    except BaseException:  # Ctrl-C among them: nobody waits for clips that are under way
        for process in multiprocessing.active_children():
            if process not in others:
                process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def make_example(config: dict[str, Any], split: str, index: int) -> dict[str, Any]:
    """One encoded clip. `config` is ToyConfig.settings(): a plain dict, so that workers unpickle it cheaply."""
    clip = toy.make_clip(
        config["seed"], index, split, config["frames"], config["height"], config["width"],
        choreography=config["choreography"],
    )
    samples = clip["audio"].astype(np.float32) / 32768
    return schema.encode({**clip, "music": music.extract("librosa35", samples, clip["audio_rate"], config["frames"])})


def prepare(data_dir: str, config: ToyConfig, workers: int = 2) -> str:
    """Builds the toy set under `data_dir` unless it is complete there. Returns its folder, which loaders take.

    `workers` processes render and analyse clips; 0 does it in this one. tfds writes beside the folder and renames it
    when done, so an interrupted build leaves no data set.
    """
    files.check_here(data_dir)
    files.check_no_pattern(data_dir)
    tfds.display_progress_bar(False)  # ours counts clips
    with _mapper(workers) as run:
        builder = ToyDance(data_dir=data_dir, config=config, run=run)
        write(builder)
    return str(builder.data_dir)


def write(builder: Builder) -> None:
    """Writes the builder's set unless it is complete.

    Raises ValueError where a set lies there that another version prepared, and OSError where writing fails; both name
    the folder.
    """
    if builder.data_path.exists():  # then tfds takes it, whatever it holds
        fingerprints.read(builder.data_dir)
        return
    try:
        builder.download_and_prepare()
    except (RuntimeError, OSError) as error:  # the ArrayRecord writer has the first for a full disk
        message = f"{builder.data_dir}: the data set could not be written, nothing is left of it: {error}"
        raise OSError(message) from error
