"""What of this machine each of several runs at once gets."""

import dataclasses
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence


@dataclasses.dataclass(frozen=True)
class Slot:
    """A share of the machine: environment of its processes, and the CPU cores that they may use (all where empty)."""

    environment: Mapping[str, str]
    cores: tuple[int, ...] = ()


def slots(count: int | None) -> list[Slot]:
    """`count` shares of equal size; None for one a GPU, or one where there is none.

    Raises ValueError for more shares than GPUs: two processes would each reserve most of one's memory.
    """
    gpus, cores = _gpus(), _cores()
    count = count or max(1, len(gpus))
    if gpus and count > len(gpus):
        raise ValueError(f"--max_parallel={count}: there are {len(gpus)} GPUs here, and a run needs one by itself")
    each = _split(cores, count) if len(cores) >= count else [()] * count
    if not gpus:
        return [Slot({}, own) for own in each]
    shares = _split(gpus, count)
    return [Slot({"CUDA_VISIBLE_DEVICES": ",".join(own)}, ()) for own in shares]


def _split(things: Sequence, count: int) -> list[tuple]:
    """Neighbours together, as evenly as it goes."""
    ends = [len(things) * number // count for number in range(count + 1)]
    return [tuple(things[low:high]) for low, high in zip(ends, ends[1:], strict=False)]


def _gpus() -> list[str]:
    """Indices of NVIDIA GPUs that this process may use; none where JAX is told to compute on CPUs."""
    if os.environ.get("JAX_PLATFORMS", "").split(",")[0] == "cpu" or shutil.which("nvidia-smi") is None:
        return []
    if "CUDA_VISIBLE_DEVICES" in os.environ:
        return [index for index in os.environ["CUDA_VISIBLE_DEVICES"].split(",") if index]
    asked = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.split()


def _cores() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


__all__ = ["Slot", "slots"]
