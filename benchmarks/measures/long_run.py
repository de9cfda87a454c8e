"""Many small steps in one process, with checkpoints, evaluations and a loader process: what grows?"""

import multiprocessing
import os
import statistics
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from benchmarks.measures.found import Found
from benchmarks.measures.start import prepared
from configs import tokenizer
from launch.runs import training
from xdancer_jax.train import telemetry

BAR = 1.02  # of resident memory; handles and threads may not grow at all


class Sizes(NamedTuple):
    """steps between: samples, checkpoints, evaluations."""

    steps: int = 5000
    sample: int = 250
    checkpoint: int = 100
    evaluate: int = 250
    clips: int = 8


BRIEF = Sizes(16, 2, 4, 8, 1)


class Held(NamedTuple):
    """resident: bytes. loaders: bytes resident in loader processes."""

    resident: float
    handles: float
    threads: float
    loaders: float


def measure(sizes: Sizes = Sizes()) -> Found:  # noqa: B008 (frozen)
    """A tokenizer smaller than tiny through launch.train's own training.train."""
    samples: list[Held] = []
    after = telemetry.Telemetry.after

    def looked(self: Any, step: int, metrics: Any) -> None:
        after(self, step, metrics)
        if step % sizes.sample == 0:
            samples.append(look())

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(telemetry.Telemetry, "after", looked):
        summary = training.train(_config(sizes, prepared(Path(folder), sizes.clips)), f"{folder}/run")
    first, last = quarters(samples)
    told = ", ".join(
        f"{name} {_shown(name, before)} then {_shown(name, now)}"
        for name, before, now in zip(Held._fields, first, last, strict=True)
    )
    figures = {
        "steps": sizes.steps, "steps_per_second": summary.steps_per_second, "first_quarter": first._asdict(),
        "last_quarter": last._asdict(), "samples": [sample._asdict() for sample in samples],
    }
    bar = f"the last quarter's memory at most {BAR} times the first's, handles and threads no more"
    return Found(f"{sizes.steps} steps, medians of the first and last quarter: {told}", bar, flat(first, last), figures)


def _config(sizes: Sizes, data: str) -> Any:
    config = tokenizer.get_config("tiny")
    config.model.update(encoder_width=8, decoder_width=8, codebook_size=16)
    config.steps, config.batch_size, config.samples = sizes.steps, 4, 0
    config.eval_every, config.eval_batches, config.checkpoint.every = sizes.evaluate, 1, sizes.checkpoint
    config.data.dir, config.data.workers, config.data.length = data, 1, 8
    return config.lock()


def look() -> Held:
    """What this process holds now (Linux)."""
    return Held(
        _resident("self"), len(os.listdir("/proc/self/fd")), threading.active_count(),
        sum(_resident(child.pid) for child in multiprocessing.active_children()),
    )


def _resident(process: int | str) -> float:
    return float(Path(f"/proc/{process}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def quarters(samples: Sequence[Held]) -> tuple[Held, Held]:
    """Medians of the first quarter of the samples, and of the last."""
    count = max(1, len(samples) // 4)
    return tuple(
        Held(*(statistics.median(values) for values in zip(*part, strict=True)))
        for part in (samples[:count], samples[-count:])
    )


def flat(first: Held, last: Held) -> bool:
    """Whether nothing has grown from one to the other, memory by no more than BAR allows."""
    memory = last.resident <= BAR * first.resident and last.loaders <= BAR * first.loaders
    return memory and last.handles <= first.handles and last.threads <= first.threads


def _shown(name: str, value: float) -> str:
    return f"{value / 1e6:.1f} MB" if name in ("resident", "loaders") else f"{value:g}"


__all__ = ["BAR", "BRIEF", "Held", "Sizes", "flat", "look", "measure", "quarters"]
