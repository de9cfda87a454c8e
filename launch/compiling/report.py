"""What a compiled step needs of each device, and how long it takes at best: figures, and a table of them."""

import math
import resource
import time
from collections import defaultdict
from collections.abc import Mapping
from typing import Any, Final

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from launch.compiling import collectives
from launch.compiling.step import Lowering
from launch.shell.devices import Chip, chip
from xdancer_jax.train import trees

_MFU: Final = 0.45  # share of the peak that a step is taken to reach, beside all of it
_DAY: Final = 86400.0
_PARTS: Final = {"weights": "params", "moments": "opt_state", "averages": "ema", "frozen": "frozen", "extra": "extra"}


def of_state(lowered: Lowering) -> dict[str, Any]:
    """What is known without the compiler: bytes a device of the state and of the batch, FLOPs."""
    devices = lowered.mesh.devices.flatten()
    state = lowered.plan.abstract
    trees_by_name = {name: getattr(state, field) for name, field in _PARTS.items()} | {"batch": lowered.batch}
    found = {name: bytes_a_device(tree) for name, tree in trees_by_name.items()}
    return {
        "devices": len(devices), "device_kind": devices[0].device_kind, "mesh": dict(lowered.mesh.shape),
        "bytes_a_device": found, "model_flops": lowered.model_flops, "limit": _limit(chip(devices[0])),
        **_speed(lowered.config, lowered.model_flops, len(devices), chip(devices[0])),
    }


def of_program(program: jax.stages.Lowered, mesh: Mesh) -> dict[str, Any]:
    """What the compiler adds. Collectives are told apart by the axes of the mesh that they reach over. Those inside a
    loop are counted once, as the text has them; of one whose text does not name its devices the bytes are not known,
    and it is counted in "unmeasured"."""
    began = time.perf_counter()
    done = program.compile()
    seconds = time.perf_counter() - began
    memory, sent, counts, unmeasured = done.memory_analysis(), defaultdict(float), defaultdict(int), 0
    for each in collectives.collectives(done.as_text()):
        name = " ".join([each.kind, *each.axes(mesh.shape)])
        counts[name] += 1
        try:
            sent[name] += each.bytes_sent
        except ValueError:
            unmeasured += 1
    arguments, temporaries = memory.argument_size_in_bytes, memory.temp_size_in_bytes
    new = memory.output_size_in_bytes - memory.alias_size_in_bytes
    kind, moved = chip(mesh.devices.flat[0]), arguments + new + 2 * temporaries
    return {
        "memory_seconds": moved / kind.bandwidth if kind else None,  # each byte once, those between written and read
        "compile_seconds": seconds, "host_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "temporaries": temporaries, "outputs": new, "on_the_host": memory.host_temp_size_in_bytes,
        "total": arguments + temporaries + new,
        "collectives": dict(counts), "collective_bytes_sent": dict(sent), "unmeasured": unmeasured,
    }


def fits(found: Mapping[str, Any]) -> bool | None:
    """Whether all that is known so far fits; None where the device's memory is not known."""
    if found["limit"] is None:
        return None
    return found.get("total", sum(found["bytes_a_device"].values())) <= found["limit"]


def table(found: Mapping[str, Any]) -> str:
    """The figures in lines for people."""
    lines = [("devices", f"{found['devices']} x {found['device_kind']}, mesh {_mesh(found['mesh'])}")]
    lines += [(name, _gigabytes(size)) for name, size in found["bytes_a_device"].items() if size]
    if "total" in found:
        lines += [("temporaries", _gigabytes(found["temporaries"])), ("in all", _gigabytes(found["total"]))]
    else:
        lines += [("in all, without temporaries", _gigabytes(sum(found["bytes_a_device"].values())))]
    if found["limit"]:
        left = found["limit"] - found.get("total", sum(found["bytes_a_device"].values()))
        lines += [("memory of a device", _gigabytes(found["limit"])), ("left", _gigabytes(left))]
    lines += [("model TFLOP a step", f"{found['model_flops'] / 1e12:.4g}")]
    for name, sent in found.get("collective_bytes_sent", {}).items():
        told = f"{found['collectives'][name]} arrays, {_gigabytes(sent)} sent by a device"
        lines.append((name, f"{told}; in a loop counted once"))
    if found.get("unmeasured"):
        lines.append(("of them unmeasured", f"{found['unmeasured']} arrays, whose devices the text does not name"))
    for name, seconds in found["step_seconds"].items():
        speed = f"{found['examples_per_second'][name]:.4g} examples/s, {found['days'][name]:.3g} days"
        lines.append((f"a step at {name}", f"{seconds:.3g} s, {speed}"))
    if found.get("memory_seconds"):
        lines.append(("its memory alone", f"{found['memory_seconds']:.3g} s at least, at the peak of its bandwidth"))
    if "compile_seconds" in found:
        taken = f"{found['compile_seconds']:.0f} s, {_gigabytes(found['host_bytes'])} of this host"
        lines.append(("compiled in", taken))
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)


def _speed(config: ConfigDict, flops: float, devices: int, kind: Chip | None) -> dict[str, dict[str, float]]:
    """Times by the peak alone: memory and network are not in them."""
    if kind is None:
        return {"step_seconds": {}, "examples_per_second": {}, "days": {}}
    best = flops / devices / kind.flops
    seconds = {"peak": best, f"{_MFU:.0%} of the peak": best / _MFU}
    return {
        "step_seconds": seconds,
        "examples_per_second": {name: config.batch_size / time for name, time in seconds.items()},
        "days": {name: time * config.steps / _DAY for name, time in seconds.items()},
    }


def bytes_a_device(tree: Any) -> int:
    """Of the shards on one device."""
    total = 0
    for leaf in trees.by_path(tree).values() if tree else ():
        total += math.prod(leaf.sharding.shard_shape(leaf.shape)) * leaf.dtype.itemsize
    return total


def _limit(kind: Chip | None) -> float | None:
    return kind and kind.memory


def _mesh(shape: Mapping[str, int]) -> str:
    return " ".join(f"{name}={size}" for name, size in shape.items() if size > 1) or "of one"


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.3f} GB"


__all__ = ["bytes_a_device", "fits", "of_program", "of_state", "table"]
