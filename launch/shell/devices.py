"""What is known of the chips that JAX names, and how full their memory is."""

import dataclasses
import os
import resource
from collections.abc import Sequence
from pathlib import Path

import jax

_GB, _GIB = 1e9, 2**30


@dataclasses.dataclass(frozen=True)
class Chip:
    """Peaks of a chip, or of a JAX device: bfloat16 FLOPs a second without sparsity, bytes of HBM, its bytes a second.

    cores: TensorCores of a TPU's chip; a JAX device has one or all of them.
    """

    flops: float
    memory: float
    bandwidth: float
    cores: int = 1


# By JAX's device_kind, as of November 2026. Kinds on which the pages at hand disagree or are silent are left out (B200,
# L4, H100 as PCIe and NVL).
_CHIPS = {
    # docs.cloud.google.com/tpu/docs/v4, v5e, v6e, tpu7x (which has v5p, too). For v6e it says 1600, 1638 or 1640 GB/s.
    "TPU v4": Chip(275e12, 32 * _GIB, 1228 * _GB, cores=2),
    "TPU v5 lite": Chip(197e12, 16 * _GB, 819 * _GB),
    "TPU v5": Chip(459e12, 95 * _GIB, 2765 * _GB, cores=2),
    "TPU v6 lite": Chip(918e12, 32 * _GIB, 1638 * _GB),
    "TPU7x": Chip(2307e12, 192 * _GIB, 7380 * _GB, cores=2),
    # NVIDIA's data sheets of A100, H100 and H200, as others quote them. Of the latter two 1979e12 is with sparsity.
    "NVIDIA A100-SXM4-40GB": Chip(312e12, 40 * _GB, 1555 * _GB),
    "NVIDIA A100-SXM4-80GB": Chip(312e12, 80 * _GB, 2039 * _GB),
    "NVIDIA H100 80GB HBM3": Chip(989e12, 80 * _GB, 3350 * _GB),
    "NVIDIA H200": Chip(989e12, 141 * _GB, 4800 * _GB),
}


def chip(device: jax.Device) -> Chip | None:
    """What `device` has at most; None for a kind that is not listed, as a CPU.

    A v4 or v5p chip is one JAX device of two cores, a tpu7x chip two devices of one core. The device says how many
    cores it has, and gets that share of its chip.
    """
    whole = _CHIPS.get(device.device_kind)
    if whole is None or whole.cores == 1:
        return whole
    share = device.num_cores / whole.cores
    return Chip(whole.flops * share, whole.memory * share, whole.bandwidth * share, device.num_cores)


def memory(devices: Sequence[jax.Device]) -> dict[str, float]:
    """{"in_use", "peak", "limit"} in bytes of the fullest of `devices`, which must be this process's own.

    Of devices that do not tell, as CPUs, the memory of this process: resident now, at most so far, and the host's.
    """
    stats = [found for device in devices if (found := device.memory_stats())]
    if not stats:
        pages = os.sysconf("SC_PAGE_SIZE")
        return {
            "in_use": float(Path("/proc/self/statm").read_text().split()[1]) * pages,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0,
            "limit": float(os.sysconf("SC_PHYS_PAGES") * pages),
        }
    fullest = max(stats, key=lambda found: found["peak_bytes_in_use"])
    names = {"in_use": "bytes_in_use", "peak": "peak_bytes_in_use", "limit": "bytes_limit"}
    return {name: float(fullest[theirs]) for name, theirs in names.items()}


__all__ = ["Chip", "chip", "memory"]
