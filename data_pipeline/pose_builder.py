"""TFDS builder of a data set from pose files: for the tokenizer, which needs neither music nor pictures.

tfds is imported here, so whoever only loads data should not import this module.
"""

import dataclasses
import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow_datasets as tfds

from data_pipeline import builders, pose_files, pose_formats, poses, schema
from data_pipeline.files import check_here, check_no_pattern
from data_pipeline.music import FPS
from data_pipeline.pose_formats import Clip

MOST_LOST: Final = 0.05  # share of a video's frames that may be cut off or broken


@dataclasses.dataclass(kw_only=True)
class PoseFilesConfig(tfds.core.BuilderConfig):
    """What decides the bytes of a set; its name, a digest of these, is the folder.

    Attributes:
        files: pose files of any layout that pose_files.load_poses reads, folders too; FILE:HEIGHTxWIDTH:FPS for one
            that does not state its frame size and rate.
        held_out: share of each file's frames, its last ones, that makes the test split.
    """

    name: str = dataclasses.field(default="", init=False)
    files: tuple[str, ...] = ()
    held_out: float = 0.2

    def __post_init__(self):
        if not self.files:
            raise ValueError("poses: no pose file given")
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out: {self.held_out} is not between 0 and 1")
        digest, self._digests = hashlib.sha256(str(self.held_out).encode()), []
        for file in self.files:
            path, size = _parse(file)
            content = _content(path)
            digest.update(repr(size).encode() + content)
            self._digests.append({"sha256": hashlib.sha256(content).hexdigest(), **size})
        self.name = digest.hexdigest()[:12]

    def settings(self) -> dict[str, Any]:
        """The files by their content, wherever they lie."""
        return {"held_out": self.held_out, "files": self._digests}


class PoseFiles(builders.Builder):
    """Poses of real clips: cropped as the paper does, at 30 fps; the last frames of every clip are the test split."""

    VERSION = tfds.core.Version("1.1.0")  # unseen joints have a place

    def __init__(self, *, clips: Sequence[np.ndarray], **kwargs: Any):
        """`clips`: what `read` gives of each of the config's files. The rest goes to tfds."""
        self._clips = clips
        super().__init__(**kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        whole = schema.tfds_features()
        return self.dataset_info_from_configs(
            description="Poses of real clips.",
            features=tfds.features.FeaturesDict({name: whole[name] for name in ("id", "fps", "poses")}),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        return {split: self._generate_examples(split) for split in ("train", "test")}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        config = self.builder_config
        for key, (file, found) in enumerate(zip(config.files, self._clips, strict=True)):
            first = round(len(found) * (1 - config.held_out))
            part = found[:first] if split == "train" else found[first:]
            if len(part) == 0:
                raise ValueError(f"{file}: {len(found)} frames at {FPS} fps leave none for {split}; change held_out")
            record = {"id": f"{_parse(file)[0].stem}-{split}", "fps": FPS, "poses": part}
            schema.validate(record)
            yield key, record


def _parse(file: str) -> tuple[Path, dict[str, float]]:
    """FILE or FILE:HEIGHTxWIDTH:FPS -> the path and what was stated of it."""
    found = re.fullmatch(r"(.+):(\d+)x(\d+):(\d+(?:\.\d+)?)", file)
    if not found:
        return Path(file), {}
    stated = {"height": int(found[2]), "width": int(found[3]), "fps": float(found[4])}
    if not all(stated.values()):
        raise ValueError(f"{file}: FILE:HEIGHTxWIDTH:FPS must be positive numbers")
    return Path(found[1]), stated


def _content(path: Path) -> bytes:
    """Of a file, or of a folder's .json files with their names."""
    if not path.is_dir():
        return path.read_bytes()
    files = sorted(file for file in path.iterdir() if file.suffix.lower() == ".json")
    return b"".join(file.name.encode() + b"\0" + file.read_bytes() for file in files)


def _load(file: str) -> Clip:
    path, stated = _parse(file)
    try:
        return pose_files.load_poses(path, **stated)
    except pose_formats.UnstatedError as error:
        raise ValueError(f"{path}: does not state its {error.lacking}; give it as FILE:HEIGHTxWIDTH:FPS") from error


def read(file: str) -> np.ndarray:
    """Poses (F, 60, 3) of a pose file in record coordinates of its crop, at 30 fps. Raises ValueError naming it, also
    where more than MOST_LOST of its video's frames are cut off."""
    clip = _load(file)
    whole = len(clip.poses) + clip.lost
    if clip.lost > MOST_LOST * whole:
        raise ValueError(
            f"{file}: its video was cut off or damaged, {len(clip.poses)} of {whole} frames are there; a data set "
            f"needs {1 - MOST_LOST:.0%}: get the whole video, or save the part that is there as a video of its own"
        )
    try:
        box = poses.crop_box(clip.poses, clip.height, clip.width)
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
    height, width = box[3] - box[1], box[2] - box[0]
    cropped = poses.normalise(poses.crop_poses(clip.poses, box, height, width), height, width)
    return poses.resample(cropped, clip.times, FPS)


def prepare(data_dir: str, files: Sequence[str], held_out: float) -> str:
    """Builds the set under `data_dir` unless it is complete there. Returns its folder, which loaders take."""
    check_here(data_dir)
    check_no_pattern(data_dir)
    clips = [read(file) for file in files]  # first, so that a bad file is named before anything is written
    tfds.display_progress_bar(False)
    config = PoseFilesConfig(files=tuple(files), held_out=held_out)
    builder = PoseFiles(clips=clips, data_dir=data_dir, config=config)
    builders.write(builder)
    return str(builder.data_dir)
