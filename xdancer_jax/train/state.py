"""The state of a run, its shape and sharding before it exists, and its creation."""

import dataclasses
import functools
import logging
from collections.abc import Callable, Mapping
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from xdancer_jax import boxes, sharding
from xdancer_jax.rng import stream
from xdancer_jax.sharding import Rules
from xdancer_jax.stage import Stage
from xdancer_jax.train import guard, optim, trees
from xdancer_jax.train.optim import Optimizer
from xdancer_jax.train.parts import Parts
from xdancer_jax.typing import Array, Batch, Extra, Params, PyTree

_log = logging.getLogger(__name__)


@flax.struct.dataclass
class TrainState:
    """Everything that a run carries from step to step; arrays only.

    Attributes:
      step: int32, optimizer steps done.
      params: the trainable parameters by part, nested dicts, unboxed; None in the place of each frozen one.
      frozen: the others, None in the place of each trainable one. No step changes them.
      extra: mutable collections by part (codebooks, running statistics), nested dicts.
      opt_state: optimizer state of `params`.
      ema: averaged `params`; None when off.
      guard: what it remembers of its steps, see train.guard.
      rng: typed key; never advanced, every key is folded from it, a stream name and the step.
    """

    step: Array
    params: Params
    frozen: Params
    extra: Extra
    opt_state: PyTree
    ema: Params | None
    guard: guard.Record
    rng: Array

    @property
    def eval_params(self) -> Params:
        """All parameters, the averaged ones where there are any."""
        return trees.merge(self.params if self.ema is None else self.ema, self.frozen)


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is known of a run's state before any array exists.

    Attributes:
      abstract: the TrainState as ShapeDtypeStructs that carry their shardings.
      layout: the shardings of `abstract`.
      program: (given, key) -> state, pure: `given` are arrays by path that take the place of random ones.
      key: of `program`.
      create: reads what the parts' sources have, each array straight to its place, and runs `program`.
    """

    abstract: TrainState
    layout: TrainState
    program: Callable[[Mapping[str, Array], Array], TrainState]
    key: Array
    create: Callable[[], TrainState]


def plan_state(
    stage: Stage, optimizer: Optimizer, parts: Parts, batch: Batch, *, seed: int, ema: bool, mesh: Mesh, rules: Rules
) -> Plan:
    """Traces the parts of `stage` over `batch` (shapes) and lays the state out on `mesh`.

    Raises:
      ValueError: a logical axis without a rule; see optim.trainable_mask for what may train.
    """
    # Threefry compiles one slow kernel a parameter; this generator takes less than half the time of a first run.
    key = jax.random.key(seed, impl="unsafe_rbg")
    boxed = jax.eval_shape(functools.partial(init_parts, stage, parts, batch, {}), key)
    places, shapes = sharding.shardings(boxed, mesh, rules), boxes.unbox(boxed)
    mask = optim.trainable_mask(shapes["params"], parts)
    dtypes = {name: _dtypes(tree, mask[name], parts[name].dtype) for name, tree in shapes["params"].items()}

    def program(given: Mapping[str, Array], key: Array) -> TrainState:
        made = jax.tree.map(strong, boxes.unbox(init_parts(stage, parts, batch, given, key)))
        params, frozen = trees.split(jax.tree.map(lambda x, dtype: x.astype(dtype), made["params"], dtypes), mask)
        return TrainState(
            step=jnp.zeros((), jnp.int32), params=params, frozen=frozen, extra=made["extra"],
            opt_state=optimizer.transform.init(params), ema=params if ema else None, guard=guard.begin(),
            rng=stream(jax.random.key(seed), "state"),
        )

    state = jax.eval_shape(program, {}, key)
    whole = sharding.replicated(mesh)
    trained, still = trees.split(places["params"], mask)
    layout = TrainState(
        step=whole, params=trained, frozen=still, extra=places["extra"],
        opt_state=optax.tree.map_params(
            optimizer.transform, lambda _, leaf: leaf, state.opt_state, trained, transform_non_params=lambda _: whole
        ),
        ema=trained if ema else None, guard=jax.tree.map(lambda _: whole, state.guard), rng=whole,
    )
    _log.info("stage %s\n%s", stage.name, optim.overview(shapes["params"], mask))
    abstract = jax.tree.map(lambda x, place: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place), state, layout)
    run = jax.jit(program, out_shardings=layout, donate_argnums=0, compiler_options=_run_once())
    return Plan(abstract, layout, program, key, lambda: run(_read(parts, abstract), key))


def init_parts(stage: Stage, parts: Parts, batch: Batch, given: Mapping[str, Array], key: Array) -> dict[str, Any]:
    """{"params", "extra"} of all parts, boxed: random, copied, or what `given` has by path ("params/unet/...").

    Every part has a key stream of its own, so that another part does not move its weights. No random number is drawn
    for what is given: under jit the compiler drops it.
    """
    batch = {name: jnp.zeros(x.shape, x.dtype) for name, x in batch.items()}
    made, key = {"params": {}, "extra": {}}, stream(key, "init")
    for name, init in stage.parts.items():
        params, extra = init(stream(key, name), batch, made)
        if parts[name].copy:
            params = _copied(name, params, parts[name].copy, made["params"])
        made["params"][name] = boxes.fill(params, _under(given, f"params/{name}/"))
        if extra:
            made["extra"][name] = boxes.fill(extra, _under(given, f"extra/{name}/"))
    return made


def _copied(name: str, params: Params, source: str, made: Params) -> Params:
    """Boxed `params` of part `name` with every value of part `source`."""
    if source not in made:
        raise ValueError(f"parts.{name}: copies part {source!r}, which is not made before it; there are {sorted(made)}")
    known = trees.by_path(boxes.unbox(made[source]))
    paths = list(trees.by_path(boxes.unbox(params)))
    missing = [path for path in paths if path not in known]
    if missing:
        raise ValueError(f"parts.{name}: copies part {source!r}, which lacks {missing}")
    return boxes.fill(params, {path: known[path] for path in paths})


def _under(arrays: Mapping[str, Array], prefix: str) -> dict[str, Array]:
    return {path.removeprefix(prefix): array for path, array in arrays.items() if path.startswith(prefix)}


def _dtypes(shapes: PyTree, mask: PyTree, frozen: str) -> PyTree:
    """Dtype of each parameter of a part: its own where it trains or counts, `frozen` else."""
    return jax.tree.map(
        lambda x, trains: x.dtype if trains or not jnp.issubdtype(x.dtype, jnp.floating) else jnp.dtype(frozen),
        shapes, mask,
    )


def _read(parts: Parts, abstract: TrainState) -> dict[str, Array]:
    """What the sources of the parts give, by path."""
    leaves = trees.by_path({"params": trees.merge(abstract.params, abstract.frozen), "extra": abstract.extra})
    given = {}
    for name, part in parts.items():
        if part.read is not None:
            given |= part.read({path: leaf for path, leaf in leaves.items() if path.split("/")[1] == name})
    return given


def _run_once() -> dict[str, int] | None:
    """Compiler options for a function that runs once: on the CPU, quick to compile rather than quick to run."""
    return {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None


def strong(leaf: Array) -> Array:
    """`leaf` without JAX's weak type, which a restored array would not have."""
    return jax.lax.convert_element_type(leaf, jnp.result_type(leaf))
