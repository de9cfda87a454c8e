"""Compiled programs are kept between processes: a second start, or a restart, finds them."""

import hashlib
import logging
import os
import platform
from pathlib import Path

import jax
from etils import epath

_log = logging.getLogger("xdancer_jax")
_SECONDS = 0.1  # what takes longer to compile is kept; JAX's default of 1 leaves out most of a small stage's start


def enable(workdir: str, configured: str) -> str:
    """Turns JAX's persistent compile cache on, before the first compile; the folder, "" where it is off.

    configured: "" keeps programs in WORKDIR/../compile_cache, which all runs beside this one share; "none" keeps none;
    anything else is a folder, gs://... too. Inside, each kind of host CPU has a folder of its own: on a CPU JAX knows
    programs by what they compute and not by the instructions that they use. JAX_COMPILATION_CACHE_DIR, where it is set,
    comes first, as it is, and so does JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS.

    Processes may share a folder: of a group process 0 alone writes, and what another group writes at the same time is
    read whole or compiled anew, with a warning of JAX's. Nothing is ever removed from it. Whoever may write there runs
    code here: no folder for strangers. A folder that cannot be written is a warning, and no cache.
    """
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", _SECONDS)
    if theirs := os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return theirs
    if configured == "none":
        return ""
    folder = epath.Path(configured) if configured else epath.Path(_absolute(workdir)).parent / "compile_cache"
    folder /= _machine()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{platform.node()}-{os.getpid()}"
        probe.write_text("")
        probe.unlink()
    except OSError as error:
        _log.warning("warning: %s: no compile cache, programs are compiled anew: %s", folder, error.strerror or error)
        return ""
    jax.config.update("jax_compilation_cache_dir", str(folder))
    return str(folder)


def _absolute(folder: str) -> str:
    return folder if "://" in folder else os.path.abspath(folder)


def _machine() -> str:
    """Names the instructions that this host's CPU has, e.g. x86_64-0f3a91c2."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    found = next((line for line in lines if line.startswith(("flags", "Features"))), "")
    return f"{platform.machine()}-{hashlib.sha256(found.encode()).hexdigest()[:8]}"


__all__ = ["enable"]
