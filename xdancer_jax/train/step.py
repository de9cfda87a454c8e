"""The training step and the evaluation step of any stage, as pure functions."""

from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from xdancer_jax.rng import Chance, at_step
from xdancer_jax.sharding import Rules
from xdancer_jax.stage import Stage
from xdancer_jax.train import trees
from xdancer_jax.train.accumulation import accumulated
from xdancer_jax.train.control import Control
from xdancer_jax.train.guard import Guard, choose, judge
from xdancer_jax.train.optim import Optimizer
from xdancer_jax.train.state import TrainState, strong
from xdancer_jax.typing import Array, Batch, Extra, Metrics, PyTree

TrainStep = Callable[[TrainState, Batch, Control], tuple[TrainState, Metrics]]
EvalStep = Callable[[TrainState, Batch, Array], Metrics]


def make_train_step(
    stage: Stage, optimizer: Optimizer, *, ema_decay: float, accumulate: int = 1, ways: int = 1,
    guard: Guard = Guard(),  # noqa: B008 (frozen)
) -> TrainStep:
    """One optimizer step: (state, batch, control) -> (state, metrics).

    Only state.params are differentiated, state.frozen are not; of a part of which nothing trains `extra` stays,
    too. All chance is a pure function of state.rng and state.step. Metrics: the stage's own, and "loss", "grad_norm"
    (before clipping), "learning_rate", "update_norm", of what the step adds to parameters and to floating `extra`,
    "skipped", bad steps in a row (train.guard), and "votes" (train.control).

    accumulate: parts that the batch, split over `ways` devices, is worked off in. guard: what becomes of bad steps.
    """

    def train_step(state: TrainState, batch: Batch, control: Control) -> tuple[TrainState, Metrics]:
        chance = Chance.whole(at_step(state.rng, "train", state.step), jax.tree.leaves(batch)[0].shape[0])

        def gradient(params, batch, chance):
            def loss_fn(params):
                params = trees.merge(params, state.frozen)
                loss, (metrics, sums) = stage.loss(params, state.extra, batch, chance, True)
                return loss, (metrics | {"loss": loss}, sums)

            (_, found), grads = jax.value_and_grad(loss_fn, has_aux=True)(params)
            return grads, found

        grads, (metrics, sums) = accumulated(gradient, accumulate, ways)(state.params, batch, chance)
        updates, opt_state = optimizer.transform.update(grads, state.opt_state, state.params)
        updates = jax.tree.map(lambda x: -control.learning_rate * x, updates)
        extra, more = stage.finish(state.extra, sums, True)
        extra = extra | {name: state.extra[name] for name in state.extra if not jax.tree.leaves(state.params[name])}
        extra = _same_shapes(stage, state.extra, extra)
        params = optax.apply_updates(state.params, updates)
        norms = optax.tree.norm(grads), optax.tree.norm((updates, _added(state.extra, extra)))
        good, record = judge(guard, state.guard, (metrics["loss"], norms[1]), norms[0])
        metrics |= more | {
            "grad_norm": norms[0], "update_norm": norms[1], "learning_rate": control.learning_rate,
            "skipped": record.skipped,
        }
        new = (params, extra, opt_state, _average(state.ema, params, ema_decay))
        if guard.skip:
            new = choose(good, new, (state.params, state.extra, state.opt_state, state.ema))
        params, extra, opt_state, ema = new
        state = state.replace(
            step=state.step + 1, params=params, extra=extra, opt_state=opt_state, ema=ema, guard=record
        )
        metrics = {name: jnp.asarray(value, jnp.float32) for name, value in metrics.items()}
        return state, metrics | {"votes": control.votes.max(axis=0)}

    return train_step


def make_eval_step(stage: Stage) -> EvalStep:
    """(state, batch, index of the batch) -> metrics and "loss" of the averaged parameters where there are any.

    The key depends on the batch's index and not on the step: every evaluation sees the same noise.
    """

    def eval_step(state: TrainState, batch: Batch, index: Array) -> Metrics:
        chance = Chance.whole(at_step(state.rng, "eval", index), jax.tree.leaves(batch)[0].shape[0])
        loss, (metrics, sums) = stage.loss(state.eval_params, state.extra, batch, chance, False)
        _, more = stage.finish(state.extra, sums, False)
        return {name: jnp.asarray(value, jnp.float32) for name, value in (metrics | more | {"loss": loss}).items()}

    return eval_step


def compile_for(mesh: Mesh, rules: Rules, function: Callable, *args, **jit_options) -> jax.stages.Compiled:
    """`function` compiled ahead for `args` (arrays, or shapes with shardings); `rules` resolve logical axes inside."""
    return lower_for(mesh, rules, function, *args, **jit_options).compile()


def lower_for(mesh: Mesh, rules: Rules, function: Callable, *args, **jit_options) -> jax.stages.Lowered:
    """The same, traced and not yet compiled."""
    with jax.set_mesh(mesh), nn.logical_axis_rules(rules):
        return jax.jit(function, **jit_options).lower(*args)


def _average(ema: PyTree, params: PyTree, decay: float) -> PyTree:
    if ema is None:
        return None
    return jax.tree.map(lambda mean, new: (decay * mean + (1 - decay) * new).astype(mean.dtype), ema, params)


def _added(old: Extra, new: Extra) -> list[Array]:
    """By how much the floating leaves differ, in float32."""
    pairs = zip(jax.tree.leaves(old), jax.tree.leaves(new), strict=True)
    return [
        after.astype(jnp.float32) - before.astype(jnp.float32) for before, after in pairs
        if jnp.issubdtype(before.dtype, jnp.floating)
    ]


def _same_shapes(stage: Stage, old: Extra, new: Extra) -> Extra:
    """`new`, after a check that it has the structure, shapes and dtypes of `old`."""
    before, after = ({p: (x.shape, x.dtype) for p, x in trees.by_path(tree).items()} for tree in (old, new))
    changed = sorted(path for path in before.keys() | after.keys() if before.get(path) != after.get(path))
    if changed or jax.tree.structure(old) != jax.tree.structure(new):
        raise ValueError(f"stage {stage.name}: finish returned an `extra` that differs from what it got at {changed}")
    return jax.tree.map(strong, new)
