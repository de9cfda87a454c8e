"""Pickles of unknown origin: numbers, texts, lists, tuples, dicts and numpy's arrays, dtypes and scalars come out;
whatever else a pickle asks for is refused by its name, and nothing of it is imported or called.

A pickle is a program. What it may call here are methods of the reader that check their arguments: an array is a view of
the bytes that are there, so it cannot be larger than the file. Python's unpickler takes memory by declared lengths and
indices, so these are held against the file first.
"""

import io
import math
import os
import pickle
import pickletools
import re
import warnings
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from data_pipeline.files import existing, one_line

_LARGEST: Final = 256 << 20  # bytes of a file: hours of poses
_MOST_STEPS: Final = 20_000_000  # a number in a list is one step
_MOST_TEXT: Final = 256 << 20  # bytes of arrays that pickles of Python 2's protocol hold as text
_DTYPES: Final = re.compile(r"[<>=|]?([biufc]\d{1,2}|[SU]\d{1,6}|O8?)")
_PUTS: Final = ("PUT", "BINPUT", "LONG_BINPUT")
_REFUSED: Final = ("EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID", "NEXT_BUFFER", "READONLY_BUFFER")
_BROKEN: Final = (
    pickle.UnpicklingError, ValueError, TypeError, KeyError, IndexError, AttributeError, EOFError, OverflowError,
    MemoryError, RecursionError, ImportError, NotImplementedError,
)  # fmt: skip


class RefusedError(ValueError):
    """A pickle that asks for something else than data, or is none."""


def load(path: str | os.PathLike[str]) -> Any:
    """What the file holds. Raises FileNotFoundError, or RefusedError, one line that names it."""
    path = existing(path)
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"{path.stat().st_size} bytes; at most {_LARGEST} are read")
        return loads(path.read_bytes())
    except ValueError as error:
        raise RefusedError(f"{path}: not a pickle of plain data ({one_line(error)})") from error


def loads(content: bytes) -> Any:
    """What a pickle holds. Arrays are read-only; one of objects is a list, or its object if it has no axis.

    Raises RefusedError, one line that says which name or part was refused.
    """
    try:
        with warnings.catch_warnings(category=DeprecationWarning, action="ignore"):  # texts with odd escapes
            _check(content)
            return _Plain().of(_Reader(io.BytesIO(content), encoding="latin1").load())
    except _BROKEN as error:
        raise RefusedError(one_line(error)) from error


def _check(content: bytes) -> None:
    """Raises ValueError unless lengths and indices fit what is there. The scan ends where the pickle does."""
    for steps, (code, argument, _) in enumerate(pickletools.genops(content), 1):
        if steps > _MOST_STEPS:
            raise ValueError(f"more than {_MOST_STEPS} steps")
        if code.name in _REFUSED:
            raise ValueError(f"{code.name} is refused")
        if code.name in _PUTS and not 0 <= int(argument) <= steps:
            raise ValueError(f"{code.name} {argument} after {steps} steps")
        if code.name == "FRAME" and argument > len(content):
            raise ValueError(f"a frame of {argument} bytes; {len(content)} are there")


class _Dtype:
    """Stands for a numpy.dtype while it is read; of byte order and kind alone."""

    __slots__ = ("code",)

    def __init__(self, code: Any):
        if not isinstance(code, str) or not _DTYPES.fullmatch(code):
            raise ValueError(f"an array of {code!r}, which is no plain number or text")
        self.code = code.lstrip("<>=|")

    def __setstate__(self, state: Any) -> None:
        order, base, names, fields = state[1:5]
        if order not in ("<", ">", "|", "=") or not base is names is fields is None:
            raise ValueError("an array of records, which is no plain number or text")
        self.code = order.replace("|", "") + self.code


class _Array:
    """Stands for a numpy.ndarray while it is read."""

    __slots__ = ("value",)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, by_columns, content = state
        self.value = _array(content, dtype, shape, "F" if by_columns else "C")


def _array(content: Any, dtype: Any, shape: Any, order: str) -> Any:
    """A view of `content`; of an array of objects its list."""
    lengths = isinstance(shape, tuple) and all(type(n) is int and n >= 0 for n in shape)
    if not isinstance(dtype, _Dtype) or not lengths:
        raise ValueError("an array without dtype or shape")
    if "O" in dtype.code:
        if not isinstance(content, list) or len(shape) > 1 or len(content) != math.prod(shape):
            raise ValueError(f"an array of objects of shape {shape}; only a list of them is read")
        return content if shape else content[0]
    if isinstance(content, str):
        content = content.encode("latin1")
    return np.frombuffer(content, np.dtype(dtype.code)).reshape(shape, order=order)


class _Reader(pickle.Unpickler):
    """Gives for each name that numpy's own pickles use a bound method, whose attributes a pickle cannot set."""

    _spent = 0

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        known = {
            "numpy": {"ndarray": self._no_call, "dtype": self._dtype},
            "_codecs": {"encode": self._encode},
            "collections": {"OrderedDict": self._dict},
            "__builtin__": {"bytes": self._no_bytes},
        }
        known |= dict.fromkeys(
            ("numpy.core.multiarray", "numpy._core.multiarray"),
            {"_reconstruct": self._reconstruct, "scalar": self._scalar},
        )
        known |= dict.fromkeys(("numpy.core.numeric", "numpy._core.numeric"), {"_frombuffer": self._frombuffer})
        try:
            return known[module][name]
        except KeyError as error:
            raise ValueError(f"it asks for {module}.{name}, which is refused") from error

    def _no_call(self, *_: Any) -> None:
        raise ValueError("it calls numpy.ndarray, which is refused")

    def _dtype(self, code: Any, *_: Any) -> _Dtype:
        return _Dtype(code)

    def _reconstruct(self, *_: Any) -> _Array:
        return _Array()

    def _scalar(self, dtype: Any, content: Any) -> Any:
        return _array(content, dtype, (1,), "C")[0]

    def _frombuffer(self, content: Any, dtype: Any, shape: Any, order: Any) -> Any:
        return _array(content, dtype, shape, order)

    def _dict(self, *items: Any) -> dict[Any, Any]:
        if items:
            raise ValueError("an OrderedDict of a form that is not read")
        return {}

    def _no_bytes(self) -> bytes:
        return b""

    def _encode(self, text: Any, encoding: Any) -> bytes:
        """How protocols below 3 write bytes."""
        self._spent += len(text)
        if encoding not in ("latin1", "latin-1") or self._spent > _MOST_TEXT:
            raise ValueError(f"bytes as text in {encoding!r}, or too many of them")
        return text.encode("latin1")


class _Plain:
    """Puts each array in the place of what stands for it. A part that many parts share is walked once."""

    def __init__(self):
        self._done: dict[int, Any] = {}

    def of(self, value: Any) -> Any:
        if isinstance(value, _Array):
            return self.of(value.value)
        if isinstance(value, _Dtype) or callable(value):
            raise ValueError("a part of an array on its own")
        if not isinstance(value, list | tuple | dict):
            return value
        if id(value) not in self._done:
            self._done[id(value)] = value  # one that holds itself is left as it is
            made = self._each(value)
            self._done[id(value)] = made
        return self._done[id(value)]

    def _each(self, value: list | tuple | dict) -> list | tuple | dict:
        if isinstance(value, dict):
            return {key: self.of(part) for key, part in value.items()}
        return type(value)(self.of(part) for part in value)


__all__ = ["RefusedError", "load", "loads"]
