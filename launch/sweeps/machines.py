"""Machine types of Google Kubernetes Engine: their accelerators, and how many hosts a TPU topology takes.

Label values, machines and shapes are those of Google's own launcher, github.com/AI-Hypercomputer/xpk
src/xpk/core/system_characteristics.py, but for these: https://docs.cloud.google.com/tpu/docs/v5e (machines of one and
eight chips), .../v6e (up to eight a host), .../types-topologies (the rule for three dimensions), .../v4 and
.../supported-tpu-configurations (the largest slices), https://cloud.google.com/compute/docs/gpus (a2-ultragpu). What
there is now: https://docs.cloud.google.com/kubernetes-engine/docs/concepts/plan-tpus, whose tables were not at hand.
"""

import dataclasses
import difflib
import functools
import itertools
import math
import re


@dataclasses.dataclass(frozen=True)
class Machine:
    """A machine type.

    Attributes:
      accelerator: value of the node label gke-tpu-accelerator, or of gke-accelerator.
      devices: TPU chips or GPUs of one machine.
      topologies: of its slices, smallest first; empty for GPUs.
    """

    accelerator: str
    devices: int
    topologies: tuple[str, ...] = ()

    @property
    def is_tpu(self) -> bool:
        return bool(self.topologies)


def _three_dimensions(most: int) -> tuple[str, ...]:
    """Up to 32 chips a few shapes; above, AxBxC with A <= B <= C, all multiples of 4, of up to `most` chips."""
    sides = range(4, most // 16 + 1, 4)
    large = [
        (a, b, c) for a, b in itertools.combinations_with_replacement(range(4, math.isqrt(most // 4) + 1, 4), 2)
        for c in sides if b <= c <= most // (a * b)
    ]
    small = [(2, 2, 1), (2, 2, 2), (2, 2, 4), (2, 4, 4)]
    return tuple("x".join(map(str, shape)) for shape in [*small, *sorted(large, key=lambda x: (math.prod(x), x[2]))])


_FLAT = ("2x2", "2x4", "4x4", "4x8", "8x8", "8x16", "16x16")
MACHINES = {
    "ct4p-hightpu-4t": Machine("tpu-v4-podslice", 4, _three_dimensions(4096)),
    "ct5lp-hightpu-1t": Machine("tpu-v5-lite-podslice", 1, ("1x1",)),
    "ct5lp-hightpu-4t": Machine("tpu-v5-lite-podslice", 4, _FLAT),
    "ct5lp-hightpu-8t": Machine("tpu-v5-lite-podslice", 8, ("2x4",)),
    "ct5p-hightpu-4t": Machine("tpu-v5p-slice", 4, _three_dimensions(8960)),
    "ct6e-standard-1t": Machine("tpu-v6e-slice", 1, ("1x1",)),
    "ct6e-standard-4t": Machine("tpu-v6e-slice", 4, _FLAT),
    "ct6e-standard-8t": Machine("tpu-v6e-slice", 8, ("2x4",)),
    "tpu7x-standard-1t": Machine("tpu7x", 1, ("1x1x1",)),
    "tpu7x-standard-4t": Machine("tpu7x", 4, _three_dimensions(9216)),
    "g2-standard-12": Machine("nvidia-l4", 1),
    "g2-standard-24": Machine("nvidia-l4", 2),
    "g2-standard-48": Machine("nvidia-l4", 4),
    "g2-standard-96": Machine("nvidia-l4", 8),
    "a2-highgpu-1g": Machine("nvidia-tesla-a100", 1),
    "a2-highgpu-2g": Machine("nvidia-tesla-a100", 2),
    "a2-highgpu-4g": Machine("nvidia-tesla-a100", 4),
    "a2-highgpu-8g": Machine("nvidia-tesla-a100", 8),
    "a2-ultragpu-8g": Machine("nvidia-a100-80gb", 8),
    "a3-highgpu-8g": Machine("nvidia-h100-80gb", 8),
    "a3-megagpu-8g": Machine("nvidia-h100-mega-80gb", 8),
    "a3-ultragpu-8g": Machine("nvidia-h200-141gb", 8),
    "a4-highgpu-8g": Machine("nvidia-b200", 8),
}


def find(name: str, tpu: bool) -> Machine:
    """The machine type of this name. Raises ValueError for an unknown one, or one of the other kind."""
    machine = MACHINES.get(name)
    if machine is None:
        close = difflib.get_close_matches(name, MACHINES, 1)
        hint = f"did you mean {close[0]!r}?" if close else f"choose one of {', '.join(_of_kind(tpu))}"
        raise ValueError(f"cluster.machine={name}: not known; {hint}")
    if machine.is_tpu != tpu:
        kinds = ("TPUs", "GPUs", "gke_tpu") if machine.is_tpu else ("GPUs", "TPUs", "gke_gpu")
        raise ValueError(
            f"cluster.machine={name}: it has {kinds[0]}, no {kinds[1]}; take configs/cluster.py:{kinds[2]}, or one of "
            f"{', '.join(_of_kind(tpu))}"
        )
    return machine


def hosts(name: str, topology: str) -> int:
    """Machines of type `name` that a slice of `topology` takes.

    Raises ValueError for a topology that the type has not, with the nearest that it has.
    """
    machine = find(name, tpu=True)
    if topology not in machine.topologies:
        nearest = _nearest(topology, machine.topologies)
        raise ValueError(
            f"cluster.topology={topology}: {name} ({machine.devices} chips each) makes no such slice; the nearest is "
            f"{nearest}, {math.prod(_sides(nearest)) // machine.devices} hosts"
        )
    return math.prod(_sides(topology)) // machine.devices


def _of_kind(tpu: bool) -> list[str]:
    return [name for name, machine in MACHINES.items() if machine.is_tpu == tpu]


@functools.cache
def _sides(topology: str) -> tuple[int, ...]:
    return tuple(int(side) for side in topology.split("x"))


def _nearest(topology: str, allowed: tuple[str, ...]) -> str:
    """Of `allowed`, the one of nearest size, then of nearest shape; the smallest where `topology` is no topology."""
    if not re.fullmatch(r"[1-9]\d{0,5}(x[1-9]\d{0,5}){0,5}", topology):
        return allowed[0]
    sides = sorted(_sides(topology))

    def distance(other: str) -> tuple[float, int]:
        theirs = sorted(_sides(other))
        shape = sum(abs(a - b) for a, b in itertools.zip_longest(sides, theirs, fillvalue=1))
        return abs(math.log(math.prod(sides) / math.prod(theirs))), shape

    return min(allowed, key=distance)


__all__ = ["MACHINES", "Machine", "find", "hosts"]
