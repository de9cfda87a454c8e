"""Small data sets of toy dances and of pose files."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from configs import data as configs_data
from launch.preparing import sets
from launch.shell import config_flag


def toy(folder: str | os.PathLike[str], **fields: Any) -> str:
    """The folder of a toy set in `folder`: by default 3 and 1 clips of 30 frames, 32 x 16."""
    wanted = {"seed": 3, "train_clips": 3, "test_clips": 1, "frames": 30, "height": 32, "width": 16, **fields}
    return prepare("toy", folder, wanted)


def poses(folder: str | os.PathLike[str], files: Sequence[str | os.PathLike[str]], held_out: float = 0.2) -> str:
    """The folder of a set of pose files in `folder`."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    names = Path(folder, "files.txt")
    names.write_text("".join(f"{Path(file).absolute()}\n" for file in files))
    return prepare("poses", folder, {"poses.files": str(names), "poses.held_out": held_out})


def prepare(variant: str, folder: str | os.PathLike[str], fields: dict[str, Any]) -> str:
    """The set of configs/data.py:VARIANT with these fields."""
    config = configs_data.get_config(variant).lock()
    for name, value in fields.items():
        config_flag.set_field(config, name, value)
    return sets.prepare(config, str(folder))
