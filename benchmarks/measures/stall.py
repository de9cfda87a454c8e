"""How long a save holds the steps, and where that time goes."""

import itertools
import statistics
import tempfile
from collections.abc import Iterator
from typing import Any, NamedTuple
from unittest import mock

import jax
import numpy as np

from benchmarks import training_step
from benchmarks.measures import toy
from benchmarks.measures.found import Found
from benchmarks.measures.spans import Call, Spans
from configs.base import get_base
from launch import stages
from launch.runs import build, sources
from xdancer_jax.stage import Stage
from xdancer_jax.train import checkpointer, loop, monitor, saving, trees
from xdancer_jax.train.optim import Optimizer
from xdancer_jax.train.parts import Parts
from xdancer_jax.train.retention import Policy
from xdancer_jax.train.settings import Settings
from xdancer_jax.typing import Batch

BAR = 0.05
# What a save does, in the order in which it does it; the rest of `save` is the copy, and Orbax's folders.
_PARTS = ("flush", "digests", "former", "probe", "kept", "save")


class Sizes(NamedTuple):
    """arrays of shape, three copies in all: weights and Adam's two moments. steps: between two saves. saves: in all, of
    which the first is not counted. motion: whether the tiny motion stage is measured, too."""

    arrays: int = 16
    shape: tuple[int, int] = (1024, 1024)
    steps: int = 40
    saves: int = 6
    motion: bool = True


BRIEF = Sizes(2, (64, 64), 2, 3, False)


def measure(sizes: Sizes = Sizes()) -> Found:  # noqa: B008 (frozen)
    """The bar is held against the stall over the steps between two saves of configs/base.py."""
    figures = {"toy": _saves(toy.stage(sizes.arrays, sizes.shape), toy.parts(), toy.batches(0), sizes)}
    if sizes.motion:
        config = training_step.configured("tiny", dtype="float32")
        batch = {name: np.zeros(x.shape, x.dtype) for name, x in build.batch_shapes(config).items()}
        stage = stages.find("motion").make(config)
        figures["motion_tiny"] = _saves(stage, sources.parts(config), itertools.repeat(batch), sizes)
    told = "; ".join(
        f"{name} ({each['megabytes']:.0f} MB) {each['stall_seconds']:.2f} s ("
        + ", ".join(f"{part} {seconds:.3f}" for part, seconds in each["seconds"].items())
        + f"), {each['share']:.2%} of the {each['every']} steps between" for name, each in figures.items()
    )
    return Found(told, f"at most {BAR:.0%}", all(each["share"] <= BAR for each in figures.values()), figures)


def _saves(stage: Stage, parts: Parts, batches: Iterator[Batch], sizes: Sizes) -> dict[str, Any]:
    """Figures of one run, the last save left out, whose write is waited for."""
    steps, spans, bytes_, compile_for = sizes.steps * (sizes.saves + 1), Spans(), [], loop.compile_for
    optimizer: Optimizer = toy.optimizer(steps)

    def kept(mesh: Any, rules: Any, function: Any, abstract: Any, *args: Any, **options: Any) -> Any:
        whole = trees.by_path(abstract.replace(frozen=None)).values()
        bytes_.append(sum(leaf.size * leaf.dtype.itemsize for leaf in whole))
        program = compile_for(mesh, rules, function, abstract, *args, **options)
        return spans.timed("step", lambda *given: jax.block_until_ready(program(*given)))  # some are only dispatched

    with (
        tempfile.TemporaryDirectory() as workdir, mock.patch.object(loop, "compile_for", kept),
        spans.around(
            flush=(monitor.Monitor, "flush"), digests=(loop, "part_digests"),
            save=(checkpointer.Checkpointer, "save"), former=(checkpointer.Checkpointer, "_settle"),
            probe=(saving, "check_disk"), kept=(checkpointer.Checkpointer, "_kept"), write=(saving.Saving, "_watch"),
        ),
    ):
        loop.train(
            stage, optimizer, parts, lambda start: batches, Settings(0, steps, policy=Policy(sizes.steps)),
            workdir=workdir, config={"stage": stage.name, "config": {"name": stage.name}}, start=0,
            mesh=toy.one_device(), rules=toy.RULES,
        )
    return {"megabytes": bytes_[0] / 1e6} | compared(spans.calls, sizes.saves, get_base().checkpoint.every)


def compared(calls: dict[str, list[Call]], saves: int, every: int) -> dict[str, Any]:
    """Figures of the saves after the first and up to number `saves`, over `every` steps between two of them.

    A save waits for the former write ("former"), which is no part of the stall where the steps between take longer.
    """
    seconds = {name: statistics.median(call.own for call in calls[name][1:saves]) for name in _PARTS}
    waited, write = seconds.pop("former"), statistics.median(call.seconds for call in calls["write"][1:saves])
    writes = [(call.began, call.began + call.seconds) for call in calls["write"]]
    alone, beside = [], []
    for call in calls["step"][1:]:
        busy = any(begin < call.began + call.seconds and call.began < end for begin, end in writes)
        (beside if busy else alone).append(call.seconds)
    step = statistics.median(alone or beside)
    stall = sum(seconds.values()) + max(0.0, write - every * step)
    slower = max(0.0, statistics.median(beside or alone) - step)
    return {
        "every": every, "stall_seconds": stall, "share": stall / (every * step), "seconds": seconds,
        "least_every": int(np.ceil(stall / step / BAR)), "step_seconds": step, "write_seconds": write,
        "waited_for_the_former_write": waited, "steps_slower_during_a_write": slower / step,
    }


__all__ = ["BAR", "BRIEF", "Sizes", "compared", "measure"]
