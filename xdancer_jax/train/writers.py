"""Where metrics go: metrics.jsonl, TensorBoard, and a line or bar on stderr. Only process 0 writes.

A disk that takes no metrics stops no training: one warning is written, and every later write tries again.
"""

import contextlib
import errno
import json
import logging
import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import jax
import tqdm
from tensorboardX.proto import event_pb2
from tensorboardX.record_writer import masked_crc32c
from tensorboardX.summary import scalar

from xdancer_jax.train import disk

_log = logging.getLogger(__name__)


class MetricWriter:
    """Writes scalars to workdir/metrics.jsonl, a line a step that is there at once, and to workdir/tensorboard."""

    def __init__(self, workdir: str | Path, start_step: int):
        """Continues a run restored at `start_step`: what was written of later steps is dropped.

        Raises ValueError for a metrics.jsonl of something else.
        """
        self._lines = self._events = None
        if jax.process_index() == 0:
            path = Path(workdir) / "metrics.jsonl"
            self._lines = _File(path, path, lambda: truncate(path, start_step))
            # Written here: tensorboardX's own thread ends training where the disk is full.
            name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}"
            folder = Path(workdir) / "tensorboard"
            self._events = _File(folder, folder / name)
            self._lines.append(b"")
            self._events.append(_begun(start_step + 1))

    def close(self) -> None:
        for file in (self._lines, self._events) if self._lines is not None else ():
            file.append(b"")

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Appends {"step": step, **metrics}."""
        if self._lines is not None:
            self._lines.append((json.dumps({"step": step, **metrics}) + "\n").encode())
            events = [event_pb2.Event(step=step, summary=scalar(name, value)) for name, value in metrics.items()]
            self._events.append(_records(events))


class _File:
    """A file that grows by whole records. What it does not take is kept for the next time, after one warning."""

    def __init__(self, place: Path, path: Path, prepare: Callable[[], None] = lambda: None):
        """`prepare` goes before the first record, once it succeeds; warnings name `place`."""
        self._place, self._path, self._prepare = place, path, prepare
        self._prepared = self._warned = False
        self._waiting: list[bytes] = []

    def append(self, record: bytes) -> None:
        """Writes `record`, and all that waits; b"" is none."""
        self._waiting += [record] if record else []
        try:
            if not self._prepared:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._prepare()
                self._prepared = True
            if self._waiting:
                self._write(b"".join(self._waiting))
                self._waiting.clear()
        except OSError as error:
            if not self._warned:
                _log.warning(
                    "warning: %s: metrics could not be written, training goes on, later ones are tried again: %s",
                    self._place, disk.reason(error),
                )
            self._warned = True

    def _write(self, data: bytes) -> None:
        """All of `data` or, where the file can still be cut, nothing of it."""
        with self._path.open("ab", buffering=0) as file:
            before = file.seek(0, os.SEEK_END)
            try:
                if file.write(data) != len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(before)
                raise


def _begun(step: int) -> bytes:
    """The head of a TensorBoard file, which says that steps from `step` on, of files before it, do not count."""
    start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    return _records([
        event_pb2.Event(file_version="brain.Event:2"), event_pb2.Event(step=step, file_version="brain.Event:2"),
        event_pb2.Event(step=step, session_log=start),
    ])


def _records(events: Sequence[event_pb2.Event]) -> bytes:
    """As TFRecords: length, its checksum, the event, its checksum; little-endian."""
    found = b""
    for event in events:
        event.wall_time = time.time()
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        sums = (struct.pack("<I", masked_crc32c(part)) for part in (length, data))
        found += length + next(sums) + data + next(sums)
    return found


def rows(workdir: str | Path) -> list[dict[str, float]]:
    """The lines of workdir/metrics.jsonl, as MetricWriter wrote them: {"step", **metrics}; [] where there are none."""
    path = Path(workdir) / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def truncate(path: Path, last_step: int) -> None:
    """Drops the lines of `path` after `last_step`, and a last line that was cut short; no file is no error.

    Raises ValueError, which names the file, for lines that are no metrics.
    """
    if not path.exists():
        return
    try:
        whole = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
        kept = [line for line in whole if json.loads(line)["step"] <= last_step]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        told = f"{path}: not the metrics of a run ({disk.reason(error)}); move it away to go on"
        raise ValueError(told) from error
    unfinished = path.with_suffix(".tmp")
    try:
        unfinished.write_text("".join(kept))
        os.replace(unfinished, path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise


class Progress:
    """A bar on a terminal, else a line every `log_every` steps, on stderr."""

    def __init__(self, name: str, start_step: int, steps: int, log_every: int):
        self._name, self._steps, self._log_every = name, steps, log_every
        self._silent = jax.process_index() != 0
        self._bar = None
        if not self._silent and sys.stderr.isatty():
            self._bar = tqdm.tqdm(initial=start_step, total=steps, desc=name, unit="step", dynamic_ncols=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, step: int, metrics: Mapping[str, float], step_seconds: float, examples: int) -> None:
        """Shows `step` (1 for the first) with its losses and speed; `examples` is the global batch size."""
        if self._silent:
            return
        if self._bar is not None:
            self._bar.update()
        if step % self._log_every and step != self._steps:
            return
        losses = {name: f"{value:.4g}" for name, value in metrics.items() if "loss" in name}
        speed = {"step": f"{1000 * step_seconds:.1f}ms", "examples/s": f"{examples / max(step_seconds, 1e-9):.1f}"}
        if self._bar is not None:
            self._bar.set_postfix(losses | speed)
        else:
            shown = " ".join(f"{name}={value}" for name, value in (losses | speed).items())
            print(f"{self._name} {step}/{self._steps} {shown}", file=sys.stderr, flush=True)
