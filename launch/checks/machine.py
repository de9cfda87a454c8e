"""What this machine is: its packages, devices and memory."""

import importlib.metadata
import os
import platform
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp

from launch.checks.findings import FAIL, OK, WARN, Finding
from launch.runs import versions
from launch.shell import devices as chips

_DISTRIBUTION = "xdancer_jax"
_LEAST_HOST = 4e9  # bytes; launch.train_demo's largest process takes 2 GB (docs/status.md)
_LEAST_SHARE = 0.5  # of a chip's memory, that JAX may use of it; by default it takes 0.75 of a GPU's
# What of these a process may use lies in files of the control group, version 2, then 1: (limit, in use).
_GROUPS = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))


def packages() -> Finding:
    """Versions of Python and of what is installed, against the bounds that this project's distribution states."""
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    shown = ", ".join([
        f"Python {platform.python_version()}", *(f"{name} {now}" for name, now in versions.packages().items())
    ])
    try:
        about = importlib.metadata.distribution(_DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return Finding("packages", WARN, f"{shown}; {_DISTRIBUTION} is not installed, so bounds are not known",
                       "pip install -e .")
    wrong = []
    if platform.python_version() not in SpecifierSet(about.metadata["Requires-Python"] or ""):
        wrong.append(f"Python {platform.python_version()}, needed is {about.metadata['Requires-Python']}")
    for requirement in map(Requirement, about.requires or ()):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            installed = versions.version(requirement.name)
            if not installed:
                wrong.append(f"{requirement.name} is missing")
            elif not requirement.specifier.contains(installed, prereleases=True):
                wrong.append(f"{requirement.name} {installed}, needed is {requirement.specifier}")
    if wrong:
        return Finding("packages", FAIL, "; ".join(wrong), "pip install -e . in a new virtual environment")
    return Finding("packages", OK, shown)


def devices() -> Finding:
    """That those of this process compute, and that none of the machine's is left out."""
    for device in jax.local_devices():
        if float(jnp.arange(4.0, device=device).sum()) != 6:
            return Finding("devices", FAIL, f"{device} does not add 0, 1, 2 and 3 to 6", "take this machine out")
    kinds = Counter(device.device_kind for device in jax.devices())
    shown = ", ".join(f"{number} of kind {kind}" for kind, number in kinds.items())
    here = jax.local_device_count()
    found = f"{shown}" + (f", {here} of them in this process" if jax.process_count() > 1 else "")
    cards = len([path for path in Path("/dev").glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)])
    idle = unused(cards, jax.default_backend(), here, os.environ)
    return Finding("devices", WARN, f"{found}; {idle[0]}", idle[1]) if idle else Finding("devices", OK, found)


def unused(cards: int, backend: str, here: int, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """(what of the machine's GPUs is left out, what to do), if any. `here`: devices of this process."""
    if cards and backend == "cpu":
        return f"the machine has {cards} GPUs, and JAX takes none", "install the extra cuda, or unset JAX_PLATFORMS"
    tasks = environment.get("SLURM_STEP_TASKS_PER_NODE") or environment.get("OMPI_COMM_WORLD_LOCAL_SIZE") or "1"
    count = int(re.match(r"\d*", tasks)[0] or 1)
    if cards > here * count:
        return (
            f"the machine has {cards} GPUs, and its {count} processes take {here} each",
            "start a process for each GPU, or set JAX_LOCAL_DEVICE_IDS=0,1,... for one that takes several",
        )
    return None


def host_memory() -> Finding:
    """What of the host's memory is free for this process."""
    free = available(Path("/proc/meminfo"), Path("/sys/fs/cgroup"))
    found = f"{free / 1e9:.1f} GB free"
    if free < _LEAST_HOST:
        return Finding("host memory", WARN, found, "end other programs here, or ask the scheduler for more")
    return Finding("host memory", OK, found)


def available(meminfo: Path, group: Path) -> float:
    """Bytes that the kernel calls available in `meminfo`, and no more than a limit in `group` leaves, as containers
    and schedulers set it."""
    line = next(line for line in meminfo.read_text().splitlines() if line.startswith("MemAvailable:"))
    free = float(line.split()[1]) * 1024
    for limit, used in _GROUPS:
        if (group / limit).exists() and (text := (group / limit).read_text().strip()).isdecimal():
            free = min(free, float(text) - float((group / used).read_text()))
    return free


def device_memory() -> Finding | None:
    """Of accelerators; a CPU's is the host's."""
    here = [(device, stats) for device in jax.local_devices() if (stats := device.memory_stats())]
    if not here:
        return None
    limits = [stats["bytes_limit"] for _, stats in here]
    used = max(stats["bytes_in_use"] for _, stats in here)
    known = [chip.memory for device, _ in here if (chip := chips.chip(device))]
    return judged(limits, used, min(known, default=0.0))


def judged(limits: Sequence[float], used: float, chip: float) -> Finding:
    """limits: bytes that JAX may use of each device; used: of the fullest; chip: that one has, 0 if not known."""
    found = f"{min(limits) / 1e9:.1f} GB a device for JAX, {used / 1e9:.2f} GB in use"
    if min(limits) < _LEAST_SHARE * chip:
        return Finding(
            "device memory", WARN, f"{found}, of {chip / 1e9:.0f} GB that the chip has",
            "end other programs on it, or raise XLA_PYTHON_CLIENT_MEM_FRACTION",
        )
    return Finding("device memory", OK, found)


__all__ = ["available", "device_memory", "devices", "host_memory", "judged", "packages", "unused"]
