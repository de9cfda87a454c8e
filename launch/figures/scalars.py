"""Results of a run where the TensorBoard of its training shows them: scalars at the steps of their checkpoints."""

import contextlib
import dataclasses
import json
import math
import socket
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from etils import epath
from tensorboardX.proto import event_pb2
from tensorboardX.record_writer import RecordWriter
from tensorboardX.summary import scalar

from data_pipeline.files import write_atomically
from launch.figures import results
from launch.figures.data import Data
from xdancer_jax import paths
from xdancer_jax.evals.protocols import Result

_DEFAULTS = {field.name: field.default for field in dataclasses.fields(Data)}


def derive(workdir: str | Path, setting: Mapping[str, Any]) -> None:
    """Writes WORKDIR/tensorboard/evaluation/SPLIT-DATA anew from evaluation.jsonl, for the results of one setting.

    Once for each checkpoint, oldest first, whatever was interrupted before: a new file with everything takes the place
    of the old one, and tells a TensorBoard that is running that what it has read does not count. Of results under one
    name but with other constants the newest kind is shown. "PROTOCOL/FIGURE" is a scalar's name. By one process.
    """
    path, folder = (paths.at(workdir) / each for each in (results.NAME, f"tensorboard/evaluation/{name(setting)}"))
    with results.alone(path):
        found = [each for each in results.read(path) if results.has(each, setting)]
        if found:
            _replace(folder, _events(_newest(found)))


def _replace(folder: epath.Path, events: Sequence[event_pb2.Event]) -> None:
    """A file of `events` in place of all that are there."""
    folder.mkdir(parents=True, exist_ok=True)
    old = list(folder.iterdir()) if folder.is_dir() else []  # a store has no empty folders
    # Files are read in the order of their names.
    new = folder / f"events.out.tfevents.{time.time():.6f}.{socket.gethostname()}"
    if paths.in_store(folder):
        paths.put(new, _records(events))
    else:
        write_atomically(new, _records(events))
    for path in old:
        with contextlib.suppress(OSError):
            path.unlink()


def _records(events: Sequence[event_pb2.Event]) -> bytes:
    with tempfile.NamedTemporaryFile() as file:
        writer = RecordWriter(file.name)
        try:
            for event in events:
                writer.write(event.SerializeToString())
            writer.flush()
        finally:
            writer.close()
        return Path(file.name).read_bytes()


def name(setting: Mapping[str, Any]) -> str:
    """Of the folder for a setting: the split, the data, and what else is not as it is by default."""
    others = [f"{field}{setting[field]}" for field in ("clips", "frames", "seed") if setting[field] != _DEFAULTS[field]]
    return "-".join([str(setting["split"]), str(setting["fingerprint"])[:8], *others])


def _newest(found: Sequence[Result]) -> list[Result]:
    """The last Result of each step and protocol, by step; of a protocol those with its last constants."""
    kinds = {each.protocol: json.dumps(each.constants, sort_keys=True) for each in found}
    same = [each for each in found if json.dumps(each.constants, sort_keys=True) == kinds[each.protocol]]
    last = {(each.source["step"], each.protocol): each for each in same}
    return [last[key] for key in sorted(last)]


def _events(found: Sequence[Result]) -> list[event_pb2.Event]:
    start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    begun = event_pb2.Event(step=found[0].source["step"], session_log=start)
    events = [event_pb2.Event(file_version="brain.Event:2"), begun]
    for event in events:
        event.wall_time = found[0].source["time"]
    for each in found:
        shown = {figure: value for figure, value in each.values.items() if math.isfinite(value)}
        events += [
            event_pb2.Event(
                wall_time=each.source["time"], step=each.source["step"],
                summary=scalar(f"{each.protocol}/{figure}", value),
            )
            for figure, value in shown.items()
        ]
    return events


__all__ = ["derive", "name"]
