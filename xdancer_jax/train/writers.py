"""Where metrics go: metrics.jsonl, TensorBoard, and a line or bar on stderr. Only process 0 writes.

A disk that takes no metrics stops no training: one warning is written, and every later write tries again. A store,
whose objects do not grow, gets a new one once there is enough to put (train.metrics).
"""

import contextlib
import errno
import functools
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
from etils import epath
from tensorboardX.proto import event_pb2, summary_pb2
from tensorboardX.record_writer import masked_crc32c

from xdancer_jax import paths
from xdancer_jax.train import disk, metrics

_log = logging.getLogger(__name__)
_SECONDS = 60.0  # between two parts, where no checkpoint asks for one


class MetricWriter:
    """Writes scalars to workdir/metrics.jsonl, a line a step that is there at once, and to workdir/tensorboard.

    In a store both are written as parts: at `flush`, at the end, and with a line a minute after the last part.
    """

    def __init__(self, workdir: str | os.PathLike, start_step: int):
        """Continues a run restored at `start_step`: what was written of later steps is dropped.

        Raises ValueError for a metrics.jsonl of something else.
        """
        self._lines = self._events = None
        if jax.process_index() == 0:
            workdir = paths.at(workdir)
            # Written here: tensorboardX's own thread ends training where the disk is full.
            name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}"
            if paths.in_store(workdir):
                self._lines, self._events = _in_store(workdir, start_step, name)
            else:
                path, folder = Path(metrics.file(workdir)), Path(workdir) / "tensorboard"
                self._lines = _File(path, path, lambda: truncate(path, start_step))
                self._events = _File(folder, folder / name)
            self._lines.append(b"")
            self._events.append(_begun(start_step + 1))

    def close(self) -> None:
        for file in (self._lines, self._events) if self._lines is not None else ():
            file.append(b"")
            file.flush()

    def flush(self) -> None:
        """Leaves nothing unwritten: a run that goes on from a checkpoint finds the metrics of all steps before it."""
        for file in (self._lines, self._events) if self._lines is not None else ():
            file.flush()

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Appends {"step": step, **metrics}."""
        if self._lines is not None:
            self._lines.append((json.dumps({"step": step, **metrics}) + "\n").encode())
            # One event for all, and no summary made for each: that takes five times as long.
            values = [summary_pb2.Summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]
            self._events.append(_records([event_pb2.Event(step=step, summary=summary_pb2.Summary(value=values))]))


class _Parts:
    """A series of objects of a store, each of whole records. What it does not take is kept, after one warning."""

    def __init__(self, place: epath.Path, at: Callable[[int], epath.Path], head: bytes = b""):
        """`at` tells where the part of a number lies. `head` begins every part; warnings name `place`."""
        self._place, self._at, self._head = place, at, head
        self._waiting: list[bytes] = []
        self._number, self._put, self._warned = 0, time.monotonic(), False

    def append(self, record: bytes) -> None:
        """Keeps `record` for the next part, which is put now where the last one was long ago; b"" is none."""
        self._waiting += [record] if record else []
        if time.monotonic() - self._put >= _SECONDS:
            self.flush()

    def flush(self) -> None:
        """Puts what waits, if anything, as a part of its own."""
        if not self._waiting:
            return
        self._put = time.monotonic()
        try:
            paths.put(self._at(self._number), self._head + b"".join(self._waiting))
            self._waiting.clear()
            self._number += 1
        except OSError as error:
            self._warned = _warn_once(self._warned, self._place, error)


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
            self._warned = _warn_once(self._warned, self._place, error)

    def flush(self) -> None:
        """Nothing: every record is written as it comes."""

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


def _warn_once(warned: bool, place: os.PathLike, error: OSError) -> bool:
    if not warned:
        _log.warning(
            "warning: %s: metrics could not be written, training goes on, later ones are tried again: %s",
            place, disk.reason(error),
        )
    return True


def _in_store(workdir: epath.Path, start_step: int, name: str) -> tuple[_Parts, _Parts]:
    """Parts of metrics.jsonl, and of the TensorBoard file `name`; how many calls of train there were is asked once."""
    session = functools.cache(lambda: metrics.next_session(workdir))
    folder = workdir / "tensorboard"
    return (
        _Parts(metrics.folder(workdir), lambda number: metrics.part(workdir, session(), start_step, number)),
        _Parts(folder, lambda number: folder / f"{name}.{session():05d}.{number:06d}", _versioned()),
    )


def _versioned() -> bytes:
    return _records([event_pb2.Event(file_version="brain.Event:2")])


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


def truncate(path: Path, last_step: int) -> None:
    """Drops the lines of `path` after `last_step`, and a last line that was cut short; no file is no error.

    Parts beside it, of a run that was copied here from a store, become lines of it.

    Raises ValueError, which names the file, for lines that are no metrics.
    """
    workdir = epath.Path(path.parent)
    parts = metrics.names(workdir)
    if not path.exists() and not parts:
        return
    kept = [line for step, line in metrics.lines(workdir) if step <= last_step]
    unfinished = path.with_suffix(".tmp")
    try:
        unfinished.write_text("".join(kept))
        os.replace(unfinished, path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink(missing_ok=True)
        raise
    for name in parts:
        (metrics.folder(workdir) / name).unlink()


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
