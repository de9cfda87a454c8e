"""AdamW with a schedule, and the choice of the parameters that it trains."""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
import optax

from xdancer_jax.train import trees
from xdancer_jax.train.parts import Parts
from xdancer_jax.typing import Array, Params, PyTree

# Vectors by nature, which get a leading dimension when layers are stacked.
_UNDECAYED = ("bias", "scale")


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """`transform` turns gradients of the trainable parameters into what is subtracted of them, less the learning rate:
    that is the host's, of `schedule`, and no part of the compiled step."""

    transform: optax.GradientTransformation
    schedule: Callable[[Array], Array]

    def rates(self, steps: range) -> np.ndarray:
        """float32, of the steps in `steps`, counted from 0."""
        rates = np.asarray(self.schedule(jnp.arange(steps.start, steps.stop)), np.float32)
        return np.broadcast_to(rates, (len(steps),))


def make_optimizer(
    *, learning_rate: float, schedule: str, steps: int, warmup_steps: int, weight_decay: float, b1: float, b2: float,
    eps: float, clip_norm: float, factors: Mapping[str, float] | None = None,
) -> Optimizer:
    """AdamW: clip by global norm (0: no clipping), Adam, decoupled weight decay, scheduled rate.

    Weight decay leaves out vectors, and biases and norm scales of stacked layers. `factors` of the rate by part; a part
    without one has 1.
    """
    transform = optax.chain(
        optax.clip_by_global_norm(clip_norm) if clip_norm else optax.identity(),
        optax.scale_by_adam(b1=b1, b2=b2, eps=eps),
        _decay(weight_decay),
        _scale_parts({name: factor for name, factor in (factors or {}).items() if factor != 1}),
    )
    return Optimizer(transform, make_schedule(schedule, learning_rate, steps, warmup_steps))


def make_schedule(kind: str, learning_rate: float, steps: int, warmup_steps: int) -> Callable[[Array], Array]:
    """Linear warm-up from 0 over `warmup_steps`, then "constant", or "cosine" down to 0 at `steps`.

    Raises:
      ValueError: another `kind`, or a warm-up that leaves a cosine no steps.
    """
    if kind == "constant":
        return optax.warmup_constant_schedule(0.0 if warmup_steps else learning_rate, learning_rate, warmup_steps)
    if kind == "cosine":
        if warmup_steps >= steps:
            raise ValueError(f"optimizer.warmup_steps {warmup_steps} must be below steps {steps}")
        return optax.warmup_cosine_decay_schedule(
            0.0 if warmup_steps else learning_rate, learning_rate, warmup_steps, decay_steps=steps
        )
    raise ValueError(f'optimizer.schedule is {kind!r}; it must be "constant" or "cosine"')


def trainable_mask(params: Params, parts: Parts) -> PyTree:
    """True at the parameters (arrays or shapes, unboxed) that train; see train.parts.Part.

    Raises:
      ValueError: a regex that is none, or matches no parameter of its part; nothing trains.
    """
    flags = {name: _chosen(name, list(trees.by_path(tree)), parts[name].trainable) for name, tree in params.items()}
    if not any(any(chosen) for chosen in flags.values()):
        raise ValueError("parts: every part is frozen, so nothing trains; set parts.NAME.trainable of one")
    return {name: jax.tree.unflatten(jax.tree.structure(tree), flags[name]) for name, tree in params.items()}


def _chosen(name: str, paths: list[str], regexes: tuple[str, ...]) -> list[bool]:
    for regex in regexes:
        try:
            matches = any(re.search(regex, path) for path in paths)
        except re.error as error:
            raise ValueError(f"parts.{name}.trainable: {regex!r} is no regular expression ({error})") from error
        if not matches:
            raise ValueError(
                f"parts.{name}.trainable: {regex!r} matches no parameter of the part; they begin {paths[:8]}"
            )
    return [any(re.search(regex, path) for regex in regexes) for path in paths]


def overview(params: PyTree, mask: PyTree) -> str:
    """Parameter counts of each part, a line each: "name  trainable  frozen"."""
    counts: dict[str, list[int]] = {}
    flags = trees.by_path(mask)
    for path, leaf in trees.by_path(params).items():
        row = counts.setdefault(path.split("/")[0], [0, 0])
        row[0 if flags[path] else 1] += math.prod(leaf.shape)
    rows = [*counts.items(), ("total", [sum(row[i] for row in counts.values()) for i in (0, 1)])]
    width = max(len(name) for name, _ in rows)
    return "\n".join(
        [f"{'parameters':<{width}}  {'trainable':>14}  {'frozen':>14}"]
        + [f"{name:<{width}}  {trained:>14,}  {frozen:>14,}" for name, (trained, frozen) in rows]
    )


def _decay(rate: float) -> optax.GradientTransformation:
    """Adds rate * parameter to the updates of matrices and kernels."""

    def add(path, update, param):
        name = jax.tree_util.keystr(path[-1:], simple=True)
        return update if param.ndim < 2 or name in _UNDECAYED else update + rate * param

    return optax.stateless(lambda updates, params: jax.tree_util.tree_map_with_path(add, updates, params))


def _scale_parts(factors: Mapping[str, float]) -> optax.GradientTransformation:
    """Updates of each part times its factor."""

    def scale(updates: PyTree, params: PyTree) -> PyTree:
        del params
        return {
            name: jax.tree.map(lambda leaf, factor=factors[name]: factor * leaf, tree) if name in factors else tree
            for name, tree in updates.items()
        }

    return optax.stateless(scale)
