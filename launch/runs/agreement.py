"""What all processes of one run must have in common, held against process 0 before they train side by side."""

import functools
import hashlib
import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

T = TypeVar("T")
_PACKAGES = ("configs", "data_pipeline", "launch", "xdancer_jax")


def everywhere(make: Callable[[], T]) -> T:
    """What `make` returns here, once it has returned on all processes: where one fails none goes on alone.

    Raises:
      ValueError: it raised ValueError or OSError on another process, which is named with its error. Its own error
        is raised where it came from.
    """
    if jax.process_count() == 1:
        return make()
    made, own = None, None
    try:
        made = make()
    except (ValueError, OSError) as error:
        own = error
    told = {number: text for number, text in enumerate(gather("" if own is None else str(own))) if text}
    if own is not None:
        raise own
    if told:
        number, text = next(iter(told.items()))
        raise ValueError(f"process {number} cannot go on: {text}")
    return made


def check(facts: Mapping[str, Any]) -> None:
    """Raises ValueError on every process where `facts` (JSON-able) differ between processes: each field, the process
    and host, and both values."""
    if jax.process_count() == 1:
        return
    flat = {name: json.dumps(value, default=repr, sort_keys=True) for name, value in facts.items()}
    found = gather({"host": socket.gethostname(), "facts": flat})
    first = found[0]["facts"]
    wrong = [
        f"{name}: {facts.get(name, 'nothing')} in process {number} on {host}, {first.get(name, 'nothing')} in process 0"
        for number, (host, facts) in enumerate((each["host"], each["facts"]) for each in found)
        for name in sorted(first.keys() | facts.keys()) if first.get(name) != facts.get(name)
    ]
    if wrong:
        raise ValueError(f"the processes of this run differ: {'; '.join(wrong)}; start all with one command and code")


def gather(value: Any) -> list[Any]:
    """`value` (JSON-able) of every process, by its number. Every process must call it."""
    own = np.frombuffer(json.dumps(value).encode(), np.uint8)
    longest = int(np.max(multihost_utils.process_allgather(np.int32(len(own)))))
    rows = multihost_utils.process_allgather(np.pad(own, (0, longest - len(own)), constant_values=ord(" ")))
    return [json.loads(bytes(row)) for row in np.reshape(rows, (jax.process_count(), longest))]


@functools.cache
def code_version() -> str:
    """Digest of this project's Python files: two hosts of other digests compute other things."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for path in sorted(file for package in _PACKAGES for file in (root / package).rglob("*.py")):
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


__all__ = ["check", "code_version", "everywhere", "gather"]
