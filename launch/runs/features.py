"""The music features that a run is trained on: music.json of its work directory, and who may use the run with which.

Stages that hear music name the feature set of their data set in config.data.music.
"""

import json
import os
from typing import Final

import jax
from ml_collections import ConfigDict

from data_pipeline import sources as data_sources
from data_pipeline.feature_sets import FeatureSet, refuse_other
from data_pipeline.files import write_atomically
from launch import stages
from launch.runs import sources
from xdancer_jax import paths
from xdancer_jax.train import disk

NAME: Final = "music.json"


def of_data(config: ConfigDict) -> FeatureSet | None:
    """The feature set of the data set that the config names, and of the one mixed in; None for a stage that hears no
    music.

    Raises ValueError where they are not those of config.data.music, or differ.
    """
    data = config.data
    if not data.get("music") or not data.dir:
        return None
    found = _stated(data.dir)
    if found.name != data.music:
        raise ValueError(
            f"config.data.music={data.music!r}: the data set {data.dir} has {found.name}; give another data set, or "
            f"--config.data.music={found.name}"
        )
    if data.get("replay_dir"):
        refuse_other(found, _stated(data.replay_dir), data.replay_dir)
    return found


def _stated(data_dir: str) -> FeatureSet:
    """The feature set of a data set. Raises ValueError for one without music."""
    found = data_sources.features(data_dir)
    if found is None:
        raise ValueError(f"{data_dir}: a data set without music, which this stage hears; give one that has it")
    return found


def check(config: ConfigDict, workdir: str | os.PathLike, start: int) -> FeatureSet | None:
    """`of_data`, held against what the run in `workdir` was trained on, if it goes on from step `start` > 0, else
    against the runs from which parts come that this stage trains itself. Raises ValueError where they differ."""
    found = of_data(config)
    if found is None:
        return None
    for run in [workdir] if start else _begun_from(config):
        refuse_other(read(run), found, config.data.dir)
    return found


def check_data(trained: FeatureSet | None, data_dir: str) -> None:
    """Raises ValueError for a data set of other features than those a run was trained on; None: it hears none."""
    if trained is not None:
        refuse_other(trained, _stated(data_dir), data_dir)


def _begun_from(config: ConfigDict) -> list[str]:
    own = config.parts.keys() - stages.find(config.name).earlier(config).keys()
    texts = [sources.text(config, part).partition(":") for part in sorted(own)]
    return [where for kind, _, where in texts if kind == "run"]


def write(workdir: str | os.PathLike, features: FeatureSet) -> None:
    """Writes WORKDIR/music.json, at once or not at all, from process 0."""
    if jax.process_index() > 0:
        return
    path = paths.at(workdir) / NAME
    content = (json.dumps(features.to_json(), indent=1) + "\n").encode()
    if paths.in_store(path):
        paths.put(path, content)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)


def read(workdir: str | os.PathLike) -> FeatureSet:
    """What `write` wrote. Raises ValueError for a file that is missing or damaged, OSError for a silent store."""
    path = paths.at(workdir) / NAME
    if not paths.translated(path, path.exists):
        raise ValueError(f"{path}: not found; it says which music features the run was trained on: train it anew")
    try:
        return FeatureSet.from_json(json.loads(paths.translated(path, path.read_text)))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: damaged ({disk.reason(error)}); restore it or train the run anew") from error


__all__ = ["NAME", "check", "check_data", "of_data", "read", "write"]
