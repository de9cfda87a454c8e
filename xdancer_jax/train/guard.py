"""Bad steps: loss, gradient or update not finite, or a gradient that leaps out of what it has been."""

import dataclasses

import flax.struct
import jax
import jax.numpy as jnp

from xdancer_jax.typing import Array, PyTree

_DECAY = 0.99  # of the running mean
_SETTLED = 100  # good steps before a leap counts: norms fall steeply at the beginning


@dataclasses.dataclass(frozen=True)
class Guard:
    """What is done about bad steps.

    Attributes:
      skip: bad steps in a row that are left out, their updates and all else but the step's number; the next one ends
        the run. 0: the first bad step ends it.
      spike: a gradient norm above this multiple of its running mean is bad too; 0: none is.
    """

    skip: int = 0
    spike: float = 0.0


@flax.struct.dataclass
class Record:
    """What a run remembers of its steps. norm: float32 (), running mean of good steps' gradient norms. good: int32 (),
    their number. skipped: int32 (), bad steps in a row up to now."""

    norm: Array
    good: Array
    skipped: Array


def begin() -> Record:
    """Of a run's first step."""
    return Record(jnp.zeros((), jnp.float32), jnp.zeros((), jnp.int32), jnp.zeros((), jnp.int32))


def judge(guard: Guard, record: Record, values: tuple[Array, ...], norm: Array) -> tuple[Array, Record]:
    """(whether a step is good, the record after it). `values` must be finite; `norm`: of its gradient."""
    good = jnp.isfinite(jnp.stack([*values, norm])).all()
    if guard.spike:
        good &= (record.good < _SETTLED) | (norm <= guard.spike * record.norm)
    mean = jnp.where(record.good == 0, norm, _DECAY * record.norm + (1 - _DECAY) * norm)
    after = Record(
        norm=jnp.where(good, mean, record.norm), good=record.good + good,
        skipped=jnp.where(good, 0, record.skipped + 1),
    )
    return good, after


def choose(good: Array, new: PyTree, old: PyTree) -> PyTree:
    """`new` after a good step, else `old`."""
    return jax.tree.map(lambda a, b: jnp.where(good, a, b), new, old)


__all__ = ["Guard", "Record", "begin", "choose", "judge"]
