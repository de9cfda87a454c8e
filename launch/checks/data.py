"""Whether data sets can be trained on."""

import time

from ml_collections import ConfigDict

from data_pipeline import sources
from launch.checks import run
from launch.checks.findings import FAIL, OK, WARN, Finding
from launch.runs import build
from xdancer_jax import paths

_SECONDS = 5.0  # for reading records of a split


def data_set(config: ConfigDict, workdir: str | None, seconds: float = _SECONDS) -> Finding:
    """Splits, their records as far as time goes, fingerprint, and one training example.

    Raises FileNotFoundError and ValueError: no data set, no such split, damaged files, clips too short for the stage.
    """
    data = config.data
    if not data.dir:
        way = "a run needs the prepared one, --config.data.dir=DIR"
        return Finding("data", WARN, "config.data.dir is empty, so no data set is looked at", way)
    found = _read(data.dir, (data.train_split, data.eval_split), seconds)
    resolved = run.resolved(config, workdir) if found.state == OK else None
    if resolved is None:
        return found
    return Finding("data", OK, f"{found.found}; an example: {_example(resolved)}")


def replayed(config: ConfigDict, seconds: float = _SECONDS) -> Finding | None:
    """The set that examples are mixed in from, where the config names one. Raises as `data_set` does."""
    directory = config.data.get("replay_dir", "")
    return _read(directory, (config.data.train_split,), seconds) if directory else None


def _read(directory: str, splits: tuple[str, ...], seconds: float) -> Finding:
    """Reads `seconds` long of each split, from its first record on."""
    paths.check_reachable(directory)
    told = []
    for split in dict.fromkeys(splits):
        records = sources.from_directory(directory, split, ("poses", "song"))
        if not len(records):
            return Finding("data", FAIL, f"{directory}: split {split} is empty", "prepare the data set again")
        until, read = time.monotonic() + seconds, 0
        while read < len(records) and (not read or time.monotonic() < until):
            clip = records[read]
            clip.poses(0, clip.frames)
            clip.value("song")
            read += 1
        told.append(f"{split} {len(records)} clips{'' if read == len(records) else f', {read} of them read'}")
    return Finding("data", OK, f"{directory}: {'; '.join(told)}; fingerprint {sources.fingerprint(directory)[:16]}")


def _example(config: ConfigDict) -> str:
    """Shapes of one, as the stage of the resolved config cuts it."""
    batch = next(build.loader(config, True)(config.data.dir, config.data.train_split, 1, config.seed))
    return ", ".join(f"{name} {'x'.join(map(str, array.shape[1:]))}" for name, array in batch.items())


__all__ = ["data_set", "replayed"]
