"""What a damaged checkpoint makes Orbax and tensorstore raise, said in one line.

They have no list of it: a missing file is a NoEntryError of a registry, a cut one whatever its decoder raises.
"""

import gc
import re
import sys
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax
from etils.epath import Path

from xdancer_jax import paths
from xdancer_jax.train import disk

_Read = TypeVar("_Read")
_GONE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
# Kinds of tensorstore's errors, which it raises as ValueError.
_NOT_NOW = re.compile(r"UNAVAILABLE|PERMISSION_DENIED|UNAUTHENTICATED|DEADLINE_EXCEEDED|RESOURCE_EXHAUSTED|ABORTED")
_STEP = "remove it to go on from an earlier one"
_FROZEN = "restore it from a copy, or train the run anew"


class Damaged(ValueError):
    """A checkpoint that cannot be used. directory: the checkpoint's. Its text says what is wrong and the way out."""

    def __init__(self, directory: Path, text: str):
        super().__init__(text)
        self.directory = directory


def reading(directory: Path, read: Callable[[], _Read]) -> _Read:
    """`read()`, which reads the checkpoint in `directory`.

    Raises:
      ValueError: it is damaged.
      OSError: it cannot be read as it is, for want of permission for instance.
    """
    hush()
    try:
        return read()
    except (jax.errors.JaxRuntimeError, MemoryError):  # of the device or the host, whatever the checkpoint holds
        raise
    except Exception as error:
        told = _told(directory, error)
    _drop_readers()
    raise told


def told(directory: Path, what: str = "") -> Damaged:
    """The error for a damaged checkpoint in `directory`; `what` is wrong with it.

    Of one in a store this is not certain: where that does not answer Orbax says no more than that it found nothing.
    """
    way = _FROZEN if directory.parent.name == "frozen" else _STEP
    kind, first = ("a damaged checkpoint", "") if not paths.in_store(directory) else (
        "a damaged checkpoint, or a store that does not answer", "try again; if it stays so, ")
    return Damaged(directory, f"{directory}: {kind}{f' ({what})' if what else ''}; {first}{way}")


def facts(directory: Path, found: Any) -> dict[str, Any]:
    """{"frozen": digest or "", "digests": {part: digest}}, saved beside a checkpoint's arrays.

    Raises ValueError for anything else, and later for a part that has no digest.
    """
    known = isinstance(found, Mapping) and isinstance(found.get("digests"), Mapping)
    if not known or not all(isinstance(value, str) for value in (found.get("frozen"), *found["digests"].values())):
        raise told(directory, "no digests beside the arrays")
    if Path(found["frozen"]).name != found["frozen"]:
        raise told(directory, f"frozen weights of the name {found['frozen']!r}")
    return {"frozen": found["frozen"], "digests": _Digests(directory, found["digests"])}


class _Digests(dict):
    """By part. One that is missing is damage, not a mistake of whoever asks."""

    def __init__(self, directory: Path, digests: Mapping[str, str]):
        super().__init__(digests)
        self._directory = directory

    def __missing__(self, part: str) -> str:
        raise told(self._directory, f"no digest of part {part}")


def _told(directory: Path, error: Exception) -> Exception:
    if isinstance(error, OSError) and not isinstance(error, _GONE) and error.strerror:
        return OSError(f"{directory}: cannot be read: {error.strerror}")
    if paths.in_store(directory) and _is_of_the_store(directory, error):
        return OSError(f"{directory}: cannot be read: the store does not answer as it should: {disk.reason(error)}")
    first = error  # what it began with
    while first.__cause__ is not None:
        first = first.__cause__
    return told(directory, disk.reason(first))


def _is_of_the_store(directory: Path, error: Exception) -> bool:
    """Whether the checkpoint may be whole and was only not to be had, which tensorstore says in its text alone."""
    known = isinstance(error, (OSError, *paths.errors(directory))) and not isinstance(error, _GONE)
    return known or _NOT_NOW.search(str(error)) is not None


def hush() -> None:
    """Leaves out of stderr what threads of tensorstore say, once a read or write has failed, of their event loop."""
    if not isinstance(sys.unraisablehook, _Hook):
        sys.unraisablehook = _Hook(sys.unraisablehook)


class _Hook:
    """sys.unraisablehook without a line for every array that was under way; for good, because they come late."""

    def __init__(self, before: Callable[[Any], None]):
        self._before = before

    def __call__(self, found: Any) -> None:
        if not (found.exc_type is RuntimeError and str(found.exc_value) == "Event loop is closed"):
            self._before(found)


def _drop_readers() -> None:
    """Frees the coroutines of other arrays that a failed read leaves, whose complaints nobody needs on stderr."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda unraisable: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some were never awaited
            gc.collect()
    finally:
        sys.unraisablehook = hook


__all__ = ["Damaged", "facts", "hush", "reading", "told"]
