"""The state of a run, its shape and sharding before it exists, and its creation."""

import dataclasses
import functools
import logging
from collections.abc import Callable
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from xdancer_jax import sharding
from xdancer_jax.rng import stream
from xdancer_jax.sharding import Rules
from xdancer_jax.stage import Stage
from xdancer_jax.train import optim, trees
from xdancer_jax.train.optim import Optimizer
from xdancer_jax.typing import Array, Batch, Extra, Params, PyTree

_log = logging.getLogger(__name__)


@flax.struct.dataclass
class TrainState:
    """Everything that a run carries from step to step; arrays only.

    Attributes:
      step: int32, optimizer steps done.
      params: all parameters, nested dicts, unboxed.
      extra: what no gradient reaches (see stage.InitFn), nested dicts.
      opt_state: optimizer state of the trainable parameters.
      ema: averaged trainable parameters, None in the place of each frozen one; None as a whole when off.
      rng: typed key; never advanced, every key is folded from it, a stream name and the step.
    """

    step: Array
    params: Params
    extra: Extra
    opt_state: PyTree
    ema: Params | None
    rng: Array

    @property
    def eval_params(self) -> Params:
        """The averaged parameters where there are any, else the parameters."""
        return self.params if self.ema is None else trees.merge(self.ema, self.params)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is known of a run's state before any array exists.

    Attributes:
      abstract: the TrainState as ShapeDtypeStructs that carry their shardings.
      layout: the shardings of `abstract`.
      mask: True at the trainable parameters.
      create: makes the state, each array at once in its place.
    """

    abstract: TrainState
    layout: TrainState
    mask: PyTree
    create: Callable[[], TrainState]


def plan_state(
    stage: Stage, optimizer: Optimizer, batch: Batch, *, seed: int, ema: bool, mesh: Mesh, rules: Rules
) -> Plan:
    """Traces stage.init over `batch` (shapes) and lays the state out on `mesh`.

    Raises:
      ValueError: a logical axis without a rule, or a trainable regex that matches nothing.
    """

    def init(key):
        return stage.init(stream(key, "init"), {name: jnp.zeros(x.shape, x.dtype) for name, x in batch.items()})

    # Weights that init closes over (of earlier stages, pretrained) become arguments of `create`. Left inside, they
    # would be constants of the compiled program, which may not pass 2 GiB.
    weights: dict[int, Any] = {}

    def find_weights(key):
        tree = init(key)
        leaves = enumerate(jax.tree.leaves(tree))
        weights.update((index, leaf) for index, leaf in leaves if not isinstance(leaf, jax.core.Tracer))
        return tree

    # Threefry compiles one slow kernel a parameter; this generator takes less than half the time of a first run.
    key = jax.random.key(seed, impl="unsafe_rbg")
    boxed = jax.eval_shape(find_weights, key)
    params_sharding, extra_sharding = sharding.shardings(boxed, mesh, rules)
    params_shape = sharding.unbox(boxed[0])
    mask = optim.trainable_mask(params_shape, stage.trainable)

    def create(weights, key) -> TrainState:
        leaves = [strong(weights.get(index, leaf)) for index, leaf in enumerate(jax.tree.leaves(init(key)))]
        params, extra = sharding.unbox(jax.tree.unflatten(jax.tree.structure(boxed), leaves))
        trainable, _ = trees.split(params, mask)
        return TrainState(
            step=jnp.zeros((), jnp.int32), params=params, extra=extra, opt_state=optimizer.transform.init(trainable),
            ema=trainable if ema else None, rng=stream(jax.random.key(seed), "state"),
        )

    shapes = jax.eval_shape(create, weights, key)
    whole = sharding.replicated(mesh)
    trainable_sharding, _ = trees.split(params_sharding, mask)
    layout = TrainState(
        step=whole, params=params_sharding, extra=extra_sharding,
        opt_state=optax.tree.map_params(
            optimizer.transform, lambda _, leaf: leaf, shapes.opt_state, trainable_sharding,
            transform_non_params=lambda _: whole,
        ),
        ema=trainable_sharding if ema else None, rng=whole,
    )
    _log.info("stage %s\n%s", stage.name, optim.overview(params_shape, mask))
    run = functools.partial(jax.jit(create, out_shardings=layout, compiler_options=_run_once()), weights, key)
    return Plan(_abstract(shapes, layout), layout, mask, run)


def _run_once() -> dict[str, int] | None:
    """Compiler options for a function that runs once: on the CPU, quick to compile rather than quick to run."""
    return {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None


def _abstract(shapes: TrainState, layout: TrainState) -> TrainState:
    return jax.tree.map(lambda x, place: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), shapes, layout)


def strong(leaf: Array) -> Array:
    """`leaf` without JAX's weak type, which a restored array would not have."""
    return jax.lax.convert_element_type(leaf, jnp.result_type(leaf))
