"""What computes a run, to be recorded with it: code, libraries, flags, devices."""

import importlib.metadata
import os
import platform
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import jax
from jax.extend import backend

from launch.runs import agreement

_PACKAGES = (
    "jax", "jaxlib", "libtpu", "jax-cuda12-plugin", "jax-cuda13-plugin", "flax", "optax", "orbax-checkpoint", "grain",
    "numpy",
)
_FLAGS = ("XLA_FLAGS", "LIBTPU_INIT_ARGS")


def found() -> dict[str, Any]:
    """JAX's devices are started by this call, so processes must have found one another before.

    {"code": digest of our Python files, "commit": of git or "", "python", "packages": versions by name, of those that
    are installed, "flags": of XLA and libtpu by environment variable ("" where it is not set), "platform",
    "platform_version" (libtpu's build, CUDA's version), "devices": numbers by kind, "processes"}, JSON-able.
    """
    client = backend.get_backend()
    return {
        "code": agreement.code_version(), "commit": _commit(), "python": platform.python_version(),
        "packages": packages(),
        "flags": {name: os.environ.get(name, "") for name in _FLAGS},
        "platform": client.platform, "platform_version": client.platform_version,
        "devices": dict(Counter(device.device_kind for device in jax.devices())), "processes": jax.process_count(),
    }


def packages() -> dict[str, str]:
    """Versions by name, of those that are installed."""
    return {name: known for name in _PACKAGES if (known := version(name))}


def version(package: str) -> str:
    """Of an installed package, else ""."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _commit() -> str:
    """Of the working tree that this file lies in, "+" after it where files differ; "" outside of git."""
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():  # else that of whatever tree an installed package lies in
        return ""
    try:
        commit, changed = (
            subprocess.run(["git", "-C", root, *words], capture_output=True, text=True, check=True, timeout=10).stdout
            for words in (("rev-parse", "HEAD"), ("status", "--porcelain"))
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return commit.strip() + ("+" if changed else "")


__all__ = ["found", "packages", "version"]
