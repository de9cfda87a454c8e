"""The storage of a work directory: room, speed, renaming, clock. What is written is removed, and nothing else made."""

import email.utils
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from etils import epath

from launch.checks.findings import FAIL, OK, WARN, Finding
from xdancer_jax import paths
from xdancer_jax.train import disk

SIZE = 64 * 2**20  # bytes that are written
_ROOMY = 25e9  # bytes: the largest checkpoint of the paper's sizes takes 21 GB (docs/performance.md)
_APART = 5.0  # seconds


def room(workdir: str) -> Finding | None:
    """Free on the disk; a store is never full. Where there is no disk `writing` tells it."""
    if paths.in_store(workdir):
        return None
    try:
        free = shutil.disk_usage(_nearest(workdir)).free
    except (OSError, ValueError):
        return None
    found = f"{free / 1e9:.1f} GB free"
    if free < 2 * SIZE:
        return Finding("free disk", FAIL, found, "make room, or give another --workdir")
    if free < _ROOMY:
        way = f"at the paper's sizes have {_ROOMY / 1e9:.0f} GB and more, or lower config.checkpoint.keep"
        return Finding("free disk", WARN, found, way)
    return Finding("free disk", OK, found)


def writing(workdir: str) -> Finding:
    """Data is written through to the disk and renamed, or put and read back.

    Raises OSError, ValueError and ImportError: a place that takes no run.
    """
    disk.check_no_pattern(workdir)
    data = os.urandom(2**20) * (SIZE // 2**20)  # some disks compress
    if paths.in_store(workdir):
        with _object(workdir) as probe:
            began = time.perf_counter()
            paths.put(probe, data)
            put = time.perf_counter()
            back = paths.translated(probe, probe.read_bytes)
            read = time.perf_counter()
        found = f"{_rate(put - began)} put, {_rate(read - put)} read back"
    else:
        with _folder(workdir) as folder:
            path = folder / "unfinished"
            began = time.perf_counter()
            with path.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            found = f"{_rate(time.perf_counter() - began)} written through"
            (folder / "finished").write_bytes(b"of before")
            os.replace(path, folder / "finished")
            back = (folder / "finished").read_bytes()
        found += ", a file renamed over another"
    if back != data:
        return Finding("storage", FAIL, f"{workdir}: other bytes come back than were written", "give another --workdir")
    return Finding("storage", OK, found)


def clock(workdir: str) -> Finding | None:
    """The storage's clock beside this machine's. Where nothing can be written `writing` tells it."""
    try:
        return compared(*_times(workdir))
    except (OSError, ValueError, ImportError):
        return None


def _times(workdir: str) -> tuple[float, float]:
    """This machine's and the storage's, in seconds."""
    if paths.in_store(workdir):
        with _object(workdir) as probe:
            paths.put(probe, b"")
            return time.time(), email.utils.parsedate_to_datetime(paths.described(probe)[1]).timestamp()
    with _folder(workdir) as folder:
        (folder / "now").write_bytes(b"now")
        return time.time(), (folder / "now").stat().st_mtime


def compared(ours: float, theirs: float) -> Finding:
    """Two times that should be one, in seconds."""
    apart = abs(theirs - ours)
    found = f"{apart:.1f} s from the storage's"
    if apart > _APART:
        way = "set the clock (NTP), or metrics and checkpoints of several hosts will seem out of order"
        return Finding("clock", WARN, f"{found}, which says {datetime.fromtimestamp(theirs):%Y-%m-%d %H:%M:%S}", way)
    return Finding("clock", OK, found)


@contextmanager
def _folder(workdir: str) -> Iterator[Path]:
    """A folder that is gone afterwards, in the work directory or, where that is to be made, in the nearest above it."""
    nearest = _nearest(workdir)
    with tempfile.TemporaryDirectory(prefix=".doctor-", dir=nearest) as folder:
        yield Path(folder)


def _nearest(workdir: str) -> Path:
    """Raises NotADirectoryError where a file is in the way, and ValueError for a URL that is not known."""
    path = Path(paths.whole(paths.at(workdir)))
    nearest = next(each for each in (path, *path.parents) if each.exists())
    if not nearest.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "a file, and no folder", str(nearest))
    return nearest


@contextmanager
def _object(workdir: str) -> Iterator[epath.Path]:
    """An object of a name that nobody has, gone afterwards; may it not be removed, that is an error as well."""
    probe = paths.at(workdir) / f".doctor-{os.urandom(8).hex()}"
    paths.check_reachable(probe)
    try:
        yield probe
    except BaseException:
        with suppress(OSError):
            paths.translated(probe, probe.unlink)
        raise
    paths.translated(probe, probe.unlink)


def _rate(seconds: float) -> str:
    return f"{SIZE / 1e6:.0f} MB at {SIZE / 1e6 / max(seconds, 1e-9):.0f} MB/s"


__all__ = ["SIZE", "clock", "compared", "room", "writing"]
