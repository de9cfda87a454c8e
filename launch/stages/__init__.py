"""The stages, one file each: all that the commands know of a stage.

A file NAME.py here belongs to configs/NAME.py and is found by `config.name`. It has

  earlier(config): {part: stage that trains it}, the parts that this stage only stands on.
  modules(config): {part: linen module}, all parts of a resolved config's model.
  make(config): the Stage of a resolved config.
  window(config, train): the loader and what it cuts, see Window.
  figures(run, data): the results of a trained run on a data set, for launch.evaluate. Every process calls it.
  samples(run, data): a picture (H, W, 3), or the frames of a video (F, H, W, 3), uint8, of a run that trains. Every
    process calls it, and makes the same. May be missing.
  check(config): raises ValueError for fields that mean nothing.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from types import ModuleType
from typing import Any, NamedTuple


class Window(NamedTuple):
    """loader: name of a function of data_pipeline.loaders. cut: what it takes for its examples. mix: what else it
    takes in training. made: folders of what it reads that was computed beforehand, by kind (data_pipeline/computed)."""

    loader: str
    cut: Mapping[str, Any]
    mix: Mapping[str, Any] = {}
    made: Mapping[str, str] = {}


def names() -> list[str]:
    """Of all stages."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def find(name: str) -> ModuleType:
    """The file of stage `name`. Raises ValueError for an unknown one."""
    if name not in names():
        raise ValueError(f"config.name: unknown stage {name!r}; choose one of {names()}")
    return importlib.import_module(f"{__name__}.{name}")
