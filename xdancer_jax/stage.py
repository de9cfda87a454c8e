"""The seam: everything that training knows of a model. Generation calls the stages' own modules for what a batch
cannot hold: dances and videos of any length."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from xdancer_jax.rng import Chance
from xdancer_jax.typing import Array, Batch, Extra, Metrics, Params, PyTree

Sums = PyTree


class InitPart(Protocol):
    """Makes a part's (params, extra): parameters boxed with logical axis names, and mutable collections ({} for none).

    `before`: {"params", "extra"} of the parts before it by name, as they will be: with weights that were read.
    """

    def __call__(self, rng: Array, batch: Batch, before: Mapping[str, Any]) -> tuple[Params, Extra]: ...


class LossFn(Protocol):
    """Scalar loss, scalar metrics by name, and sums. Pure: all chance comes from `chance`.

    A step may give it the batch in equal parts, one after the other: loss and metrics must be means over examples,
    and what is none (a codebook's statistics, a figure of the whole batch) goes into the sums, a tree of arrays that
    are added up over the parts.
    """

    def __call__(
        self, params: Params, extra: Extra, batch: Batch, chance: Chance, train: bool
    ) -> tuple[Array, tuple[Metrics, Sums]]: ...


class FinishFn(Protocol):
    """The new `extra` (the old one where train is False), and more metrics, from the sums of a whole batch."""

    def __call__(self, extra: Extra, sums: Sums, train: bool) -> tuple[Extra, Metrics]: ...


def unchanged(extra: Extra, sums: Sums, train: bool) -> tuple[Extra, Metrics]:
    """The FinishFn of a stage whose `extra` no step changes."""
    return extra, {}


# (params, extra, batch, rng) -> arrays by name
ApplyFn = Callable[[Params, Extra, Batch, Array], Mapping[str, Array]]


@dataclasses.dataclass(frozen=True)
class Stage:
    """A model with its loss and evaluation functions, as pure functions over (params, extra), both by part.

    A model is a tree of named parts (tokenizer, gpt, unet, ...). Which of them are read from elsewhere, and which
    train, is no matter of the stage: train.parts says it.

    Attributes:
      name: of its file in xdancer_jax/stages; written into runs and checked when they are read.
      parts: how each part is made, in this order. May depend on the shapes of `batch` alone, not on its values.
      loss: see LossFn.
      finish: see FinishFn.
      functions: named functions for evaluation, e.g. "reconstruct".
    """

    name: str
    parts: Mapping[str, InitPart]
    loss: LossFn
    finish: FinishFn = unchanged
    functions: Mapping[str, ApplyFn] = dataclasses.field(default_factory=dict)


def variables(params: Params, extra: Extra, part: str) -> dict[str, PyTree]:
    """What a part's module applies: {"params": ..., and its mutable collections by name}."""
    return {"params": params[part], **extra.get(part, {})}


__all__ = ["ApplyFn", "FinishFn", "InitPart", "LossFn", "Stage", "Sums", "unchanged", "variables"]
