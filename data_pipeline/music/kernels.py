"""librosa's numba kernels: where they are kept, and who may write them."""

import contextlib
import fcntl
import importlib.util
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

_compiled: list[bool] = []  # holds one item once this process has librosa's kernels


@contextlib.contextmanager
def ready() -> Iterator[None]:
    """To be held while librosa is imported and at work. Lets one process of this user at a time through, each process's
    first time only.

    The kernels are written to a disk cache on first use. Two processes that write it at once leave a cache that crashes
    (segmentation fault) whoever loads it next.
    """
    if _compiled:
        yield
        return
    with (Path(tempfile.gettempdir()) / f"xdancer_jax_numba_{os.getuid()}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _find_cache()
        yield
        _compiled.append(True)


def _find_cache() -> None:
    """Names a folder for numba's kernels where it would find none: it compiles nothing if it can write neither beside
    librosa nor into the home directory, as in a container. To be called before librosa is imported."""
    places = Path(importlib.util.find_spec("librosa").origin).parent, Path(os.path.expanduser("~/.cache"))
    if "NUMBA_CACHE_DIR" not in os.environ and not any(_writable(place) for place in places):
        os.environ["NUMBA_CACHE_DIR"] = str(Path(tempfile.gettempdir()) / f"xdancer_jax_numba_{os.getuid()}")


def _writable(folder: Path) -> bool:
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


__all__ = ["ready"]
