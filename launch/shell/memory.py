"""What the process does with memory that it frees."""

import ctypes
import importlib.metadata
import importlib.util
import platform

import jax

# Of glibc's malloc.h: mallopt's parameters.
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4


def keep_freed() -> None:
    """Lets glibc keep what is freed, in a process that computes on CPUs; elsewhere it does nothing.

    XLA's CPU client takes the buffers of each step from malloc. By default glibc hands large ones back to the kernel,
    and the next step faults their pages in anew: a fifth of a training step (docs/performance.md). Only the main
    thread's arena can keep buffers beyond 64 MiB, so steps are dispatched there, and Python waits for them: on a CPU
    they leave it nothing to do. Not for hosts of accelerators, which have memory of their own. To be called before the
    first computation.
    """
    if platform.libc_ver()[0] != "glibc" or not _on_cpu():
        return
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    libc = ctypes.CDLL(None)
    for parameter, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, -1)):
        libc.mallopt(parameter, value)


def _on_cpu() -> bool:
    """Whether JAX will compute on CPUs, found without starting it: hosts of a pod must first find one another."""
    if jax.config.jax_platforms:
        return jax.config.jax_platforms == "cpu"
    plugins = importlib.metadata.entry_points(group="jax_plugins") or importlib.util.find_spec("jax_plugins")
    return not plugins and importlib.util.find_spec("libtpu") is None


__all__ = ["keep_freed"]
