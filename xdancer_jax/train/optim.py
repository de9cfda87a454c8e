"""AdamW with a schedule, and the choice of the parameters that it trains."""

import dataclasses
import math
import re
from collections.abc import Callable, Sequence

import jax
import optax

from xdancer_jax.train import trees
from xdancer_jax.typing import Array, PyTree

# Vectors by nature, which get a leading dimension when layers are stacked.
_UNDECAYED = ("bias", "scale")


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """`transform` acts on the trainable parameters alone; `learning_rate` maps a step to its rate."""

    transform: optax.GradientTransformation
    learning_rate: Callable[[Array], Array]


def make_optimizer(
    *, learning_rate: float, schedule: str, steps: int, warmup_steps: int, weight_decay: float, b1: float, b2: float,
    eps: float, clip_norm: float,
) -> Optimizer:
    """AdamW: clip by global norm (0: no clipping), Adam, decoupled weight decay, scheduled rate.

    Weight decay leaves out vectors, and biases and norm scales of stacked layers.
    """
    rate = make_schedule(schedule, learning_rate, steps, warmup_steps)
    transform = optax.chain(
        optax.clip_by_global_norm(clip_norm) if clip_norm else optax.identity(),
        optax.scale_by_adam(b1=b1, b2=b2, eps=eps),
        _decay(weight_decay),
        optax.scale_by_learning_rate(rate),
    )
    return Optimizer(transform, rate)


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


def trainable_mask(params: PyTree, regexes: Sequence[str]) -> PyTree:
    """True at the parameters (arrays or shapes, unboxed) whose "/"-joined path one of `regexes` is found in.

    Raises:
      ValueError: a regex matches no parameter.
    """
    for regex in regexes:
        try:
            re.compile(regex)
        except re.error as error:
            raise ValueError(f"trainable: {regex!r} is no regular expression ({error})") from error
    paths = list(trees.by_path(params))
    unmatched = [regex for regex in regexes if not any(re.search(regex, path) for path in paths)]
    if unmatched or not regexes:
        raise ValueError(f"trainable: {unmatched or 'no regexes'} match no parameter; parameters begin {paths[:8]}")
    chosen = [any(re.search(regex, path) for regex in regexes) for path in paths]
    return jax.tree.unflatten(jax.tree.structure(params), chosen)


def overview(params: PyTree, mask: PyTree) -> str:
    """Parameter counts of each top-level module, a line each: "name  trainable  frozen"."""
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
