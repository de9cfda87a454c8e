"""The one training loop."""

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from jax.sharding import Mesh

from xdancer_jax import sharding
from xdancer_jax.sharding import Rules
from xdancer_jax.stage import Stage
from xdancer_jax.train import checkpoint, digest, record
from xdancer_jax.train.checkpoint import Checkpointer
from xdancer_jax.train.hooks import Hook
from xdancer_jax.train.monitor import Monitor
from xdancer_jax.train.optim import Optimizer
from xdancer_jax.train.parts import Parts
from xdancer_jax.train.state import TrainState, plan_state
from xdancer_jax.train.step import compile_for, make_train_step
from xdancer_jax.typing import Batch


@dataclasses.dataclass(frozen=True)
class Summary:
    """What a call of train did.

    Attributes:
      start_step, step: steps done before and after.
      compile_seconds: tracing and compiling the training step, which nothing else includes.
      steps_per_second, examples_per_second: over the call's steps but the first, hooks and checkpoints left
        out; 0 where these are fewer than three.
      metrics: of the last step; empty if there was none to do.
    """

    start_step: int
    step: int
    compile_seconds: float
    steps_per_second: float
    examples_per_second: float
    metrics: dict[str, float]


def train(
    stage: Stage, optimizer: Optimizer, parts: Parts, make_iterator: Callable[[int], Iterator[Batch]], *,
    workdir: str | Path, config: Mapping[str, Any], start: int, seed: int, steps: int, mesh: Mesh, rules: Rules,
    ema_decay: float, log_every: int, checkpoint_every: int, checkpoint_keep: int, hooks: Sequence[Hook] = (),
) -> tuple[TrainState, Summary]:
    """Trains `stage` up to `steps`, from the checkpoint of step `start` of `workdir`, or anew where that is 0.

    Args:
      parts: of every part of the stage, what becomes of it. On a restored run no source is read.
      make_iterator: from a first step to this process's host batches (numpy, B first) from that step on.
      config: JSON-able; written to workdir/config.json (train.record) for whoever loads the run.
      ema_decay: 0 keeps no averaged parameters.
      checkpoint_every: 0 saves the last step only.

    Raises:
      ValueError: the checkpoint is of another model or damaged, or the data ended early.
      FloatingPointError: a loss, gradient or update is not finite; the checkpoints of earlier steps stay.
      OSError: the last checkpoint could not be written; an earlier one is told in a warning, and training goes on.
    """
    # Data, model and checkpoint are tried before anything is written: a refused run leaves `workdir` as it was.
    first, batches = _peek(make_iterator(start), start)
    shapes = _shapes(sharding.put_batch(first, mesh, rules))
    plan = plan_state(stage, optimizer, parts, shapes, seed=seed, ema=ema_decay > 0, mesh=mesh, rules=rules)
    with Checkpointer(workdir, checkpoint_keep) as checkpointer:
        state = checkpointer.restore(start, plan.abstract) if start else plan.create()
        if start:
            checkpoint.check_digests(workdir, start, part_digests(state, parts))
        record.write(workdir, config)
        if start >= steps:
            return state, Summary(start, start, 0.0, 0.0, 0.0, {})
        if start == 0:
            checkpointer.write_frozen(state)
        began = time.perf_counter()
        step_fn = compile_for(
            mesh, rules, make_train_step(stage, optimizer, ema_decay), plan.abstract, shapes,
            out_shardings=(plan.layout, sharding.replicated(mesh)), donate_argnums=0,
        )
        compile_seconds = time.perf_counter() - began
        device_batches = (sharding.put_batch(batch, mesh, rules) for batch in batches)
        examples = next(iter(shapes.values())).shape[0]

        def save(step: int, state: TrainState) -> None:
            checkpointer.save(step, state, part_digests(state, parts), last=step == steps)

        with Monitor(stage.name, workdir, start, steps, log_every, examples) as monitor:
            state = _run(step_fn, state, device_batches, range(start, steps), monitor, hooks, save, checkpoint_every)
    rate = monitor.steps_per_second
    return state, Summary(start, steps, compile_seconds, rate, rate * examples, monitor.metrics)


def part_digests(state: TrainState, parts: Parts) -> dict[str, str]:
    """Digest of every part as readers see it; that of its source where nothing of the part trains."""
    still = {name for name, part in parts.items() if part.digest and not part.trainable}
    return {
        name: parts[name].digest if name in still else digest.of({"params": params, "extra": state.extra.get(name, {})})
        for name, params in state.eval_params.items()
    }


def _run(
    step_fn: Callable, state: TrainState, batches: Iterator[Batch], steps: range, monitor: Monitor,
    hooks: Sequence[Hook], save_state: Callable[[int, TrainState], None], checkpoint_every: int,
) -> TrainState:
    """Runs `steps`; the metrics of a step are read once the next one is under way, so that devices never wait."""
    pending = None
    for step in range(steps.start + 1, steps.stop + 1):
        with jax.transfer_guard("disallow"):
            batch = next(batches, None)
            if batch is None:
                raise ValueError(f"the data ended before step {step} of {steps.stop}")
            state, metrics = step_fn(state, batch)
            if pending is not None:
                monitor.read(*pending)
            pending = step, metrics
        save = step == steps.stop or (checkpoint_every > 0 and step % checkpoint_every == 0)
        due = [hook for hook in hooks if hook.due(step, steps.stop)]
        if not (save or due):
            continue
        # Nothing is evaluated or saved before its step is known to be finite.
        monitor.read(*pending)
        pending = None
        with monitor.paused():
            for hook in due:
                monitor.write(step, {f"{hook.name}/{key}": value for key, value in hook.run(step, state).items()})
            if save:
                monitor.flush()
                save_state(step, state)
    return state


def _peek(iterator: Iterator[Batch], start: int) -> tuple[Batch, Iterator[Batch]]:
    """The first batch, and an iterator that gives it again."""
    first = next(iterator, None)
    if first is None:
        raise ValueError(f"the data of step {start + 1} and on is empty")
    return first, itertools.chain([first], iterator)


def _shapes(batch: Mapping[str, jax.Array]) -> dict[str, jax.ShapeDtypeStruct]:
    """Global shapes of a device batch, with shardings."""
    return {name: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding) for name, x in batch.items()}
