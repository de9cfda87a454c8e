"""The one training loop."""

import dataclasses
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from xdancer_jax import paths, sharding
from xdancer_jax.sharding import Rules
from xdancer_jax.stage import Stage
from xdancer_jax.train import checkpoint, digest, record, together
from xdancer_jax.train.checkpointer import Checkpointer
from xdancer_jax.train.control import SAVE, STOP, Panel
from xdancer_jax.train.hooks import Hook
from xdancer_jax.train.model_flops import model_flops
from xdancer_jax.train.monitor import Monitor
from xdancer_jax.train.optim import Optimizer
from xdancer_jax.train.packing import Packed
from xdancer_jax.train.parts import Parts
from xdancer_jax.train.retention import Clock, Keep, Policy
from xdancer_jax.train.settings import Settings, Summary, Surroundings
from xdancer_jax.train.state import Plan, TrainState, plan_state
from xdancer_jax.train.step import compile_for, make_train_step
from xdancer_jax.train.telemetry import Telemetry
from xdancer_jax.typing import Batch, PyTree


def train(
    stage: Stage, optimizer: Optimizer, parts: Parts, make_iterator: Callable[[int], Iterator[Batch]],
    settings: Settings, *, workdir: str | Path, config: Mapping[str, Any], start: int, mesh: Mesh, rules: Rules,
    hooks: Sequence[Hook] = (), surroundings: Surroundings = Surroundings(),  # noqa: B008 (frozen)
) -> tuple[TrainState, Summary]:
    """Trains `stage` up to settings.steps, from the checkpoint of step `start` of `workdir`, or anew where that is 0.

    Args:
      parts: of every part of the stage, what becomes of it. On a restored run no source is read.
      make_iterator: from a first step to this process's host batches (numpy, B first) from that step on.
      config: JSON-able; written to workdir/config.json (train.record) for whoever loads the run.
      hooks: those that were due at `start` and have written nothing there come first: the run was ended in between.

    Raises:
      Damaged: the checkpoint is. ValueError: it is of another model, or the data ended early.
      FloatingPointError: more bad steps in a row than settings.guard allows; the checkpoints of earlier steps stay.
      OSError: the last checkpoint could not be written; an earlier one is told in a warning, and training goes on.
    """
    # Data, model and checkpoint are tried before anything is written: a refused run leaves `workdir` as it was.
    first, batches = _peek(make_iterator(start), start)
    shapes = _shapes(sharding.put_batch(first, mesh, rules))
    plan = plan_state(
        stage, optimizer, parts, shapes, seed=settings.seed, ema=settings.ema_decay > 0, mesh=mesh, rules=rules
    )
    examples, panel = next(iter(shapes.values())).shape[0], Panel(mesh)
    with (
        Telemetry(paths.at(workdir), start, settings, surroundings) as telemetry,
        Monitor(stage.name, workdir, start, settings, examples, surroundings, telemetry) as monitor,
        Checkpointer(workdir, _keep(settings.policy, monitor, surroundings)) as checkpointer,
    ):
        state = checkpointer.restore(start, plan.abstract) if start else plan.create()
        if start:
            checkpoint.check_digests(workdir, start, part_digests(state, parts))
        record.write(workdir, config)
        monitor.begin()
        for hook in _left_out(hooks, start, settings.steps, monitor):
            monitor.run(hook, start, state)
        if start >= settings.steps:
            return state, Summary(start, start)
        if start == 0:
            checkpointer.write_frozen(state)
        began, place = time.perf_counter(), sharding.Place(mesh, rules)
        with telemetry.phase("compile"):
            step_fn = _compiled(stage, optimizer, settings, plan, shapes, panel, place)
            if surroundings.peak_flops:
                telemetry.model_flops = model_flops(stage, plan.abstract, shapes, mesh, rules)
        compile_seconds = time.perf_counter() - began

        def save(step: int, state: TrainState) -> None:
            with telemetry.phase("checkpoint"):
                checkpointer.save(step, state, part_digests(state, parts), last=step == settings.steps)

        run = _Run(
            step_fn, (sharding.put_batch(batch, mesh, rules) for batch in batches), panel,
            optimizer.rates(range(start, settings.steps)), settings.policy, monitor, telemetry, hooks, save,
        )
        with surroundings.listening() as interrupted:
            state, step, stopped = run(state, range(start, settings.steps), interrupted)
    rate = monitor.steps_per_second
    return state, Summary(start, step, stopped, compile_seconds, rate, rate * examples, monitor.metrics)


def _keep(policy: Policy, monitor: Monitor, surroundings: Surroundings) -> Keep:
    def keep(steps: Sequence[int]) -> set[int]:
        return policy.kept(steps, monitor.values, surroundings.evaluated() if policy.wait_for_evaluation else ())

    return keep


def _compiled(
    stage: Stage, optimizer: Optimizer, settings: Settings, plan: Plan, batch: Mapping[str, jax.ShapeDtypeStruct],
    panel: Panel, place: sharding.Place,
) -> jax.stages.Compiled:
    """The training step, its metrics packed."""
    step = make_train_step(
        stage, optimizer, ema_decay=settings.ema_decay, accumulate=settings.accumulate, ways=place.ways,
        guard=settings.guard,
    )

    def packed(*given: PyTree) -> tuple[TrainState, Packed]:
        state, metrics = step(*given)
        return state, Packed.of(metrics)

    return compile_for(
        place.mesh, place.rules, packed, plan.abstract, batch, panel.shapes,
        out_shardings=(plan.layout, sharding.replicated(place.mesh)), donate_argnums=0,
    )


def _left_out(hooks: Sequence[Hook], start: int, last: int, monitor: Monitor) -> list[Hook]:
    """Hooks that were due at `start` and have written nothing there, as process 0 finds."""
    due = [hook for hook in hooks if start and hook.due(start, last)]
    missing = together.first(np.array([not monitor.has(hook.name) for hook in due], bool))
    return [hook for hook, left in zip(due, missing, strict=True) if left]


def part_digests(state: TrainState, parts: Parts) -> dict[str, str]:
    """Digest of every part as readers see it; that of its source where nothing of the part trains."""
    still = {name for name, part in parts.items() if part.digest and not part.trainable}
    return {
        name: parts[name].digest if name in still else digest.of({"params": params, "extra": state.extra.get(name, {})})
        for name, params in state.eval_params.items()
    }


@dataclasses.dataclass
class _Run:
    """The loop itself, with what it needs."""

    step_fn: Callable
    batches: Iterator[Batch]
    panel: Panel
    rates: np.ndarray
    policy: Policy
    monitor: Monitor
    telemetry: Telemetry
    hooks: Sequence[Hook]
    save: Callable[[int, TrainState], None]

    def __call__(
        self, state: TrainState, steps: range, interrupted: Callable[[], bool]
    ) -> tuple[TrainState, int, bool]:
        """Runs `steps`, or fewer where a process is told to end: (state, last step, which is saved, whether something
        is left to do).

        The metrics of a step are read once the next one is under way, so that devices never wait.
        """
        clock, pending = Clock(self.policy.minutes), None
        for step in range(steps.start + 1, steps.stop + 1):
            self.telemetry.before(step, state)
            with jax.transfer_guard("disallow"):
                with self.telemetry.phase("data_wait"):
                    batch = next(self.batches, None)
                if batch is None:
                    raise ValueError(f"the data ended before step {step} of {steps.stop}")
                wanted = {STOP: interrupted() or together.preempted(step), SAVE: clock.due}
                votes = [name for name, wants in wanted.items() if wants]
                control = self.panel.set(self.rates[step - 1 - steps.start], votes)
                with self.telemetry.phase("step"):
                    state, metrics = self.step_fn(state, batch, control)
                    agreed = self.monitor.read(*pending) if pending is not None else frozenset()
                pending = step, metrics
            self.telemetry.after(step, metrics)
            due = [hook for hook in self.hooks if hook.due(step, steps.stop)]
            if not (agreed or due or step == steps.stop or self.policy.due(step)):
                continue
            # Nothing is evaluated or saved before its step is known to be good.
            with self.telemetry.phase("step"):
                agreed |= self.monitor.read(*pending)
            pending = None
            with self.monitor.paused():
                if agreed or step == steps.stop or self.policy.due(step):
                    self.monitor.flush()
                    self.save(step, state)
                    clock.reset()
                if STOP in agreed:
                    return state, step, step < steps.stop or bool(due)
                for hook in due:
                    self.monitor.run(hook, step, state)
        return state, steps.stop, False


def _peek(iterator: Iterator[Batch], start: int) -> tuple[Batch, Iterator[Batch]]:
    """The first batch, and an iterator that gives it again."""
    first = next(iterator, None)
    if first is None:
        raise ValueError(f"the data of step {start + 1} and on is empty")
    return first, itertools.chain([first], iterator)


def _shapes(batch: Mapping[str, jax.Array]) -> dict[str, jax.ShapeDtypeStruct]:
    """Global shapes of a device batch, with shardings."""
    return {name: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding) for name, x in batch.items()}
