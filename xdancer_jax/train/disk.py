"""Whether a folder takes what is about to be written, found in milliseconds: libraries retry for minutes, or fail late.
"""

import os
import shutil
import tempfile

from etils import epath

from xdancer_jax import paths

_PROBE = b"\0" * 4096


def check(folder: epath.Path, size: int) -> None:
    """Makes `folder`, writes a small file into it that nobody sees, and compares `size` bytes with those that are free.

    In a store, which is never full, an object beside it is put and removed.

    Raises OSError, which says what is wrong and leaves the folder to be named by the caller.
    """
    if paths.in_store(folder):
        probe = folder.parent / f"{folder.name}.probe"
        paths.put(probe, _PROBE)
        paths.translated(probe, probe.unlink)
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(_PROBE)
        file.flush()
        os.fsync(file.fileno())
    free = shutil.disk_usage(folder).free
    if free < size:
        raise OSError(f"it takes {_shown(size)}, and {_shown(free)} are free")


def check_no_pattern(folder: str | os.PathLike) -> None:
    """Raises ValueError for a path that Orbax takes for a pattern: it would write what it cannot read."""
    whole = str(paths.whole(folder))
    found = sorted(set("[]*?\\").intersection(whole))
    if found:
        raise ValueError(
            f"{folder}: the path {whole} holds {' '.join(found)}, which Orbax takes for a pattern; rename that folder, "
            "or give a link to it"
        )


def reason(error: BaseException) -> str:
    """What an error says, in one line that is no longer than a line should be."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}..."


def _shown(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


__all__ = ["check", "check_no_pattern", "reason"]
