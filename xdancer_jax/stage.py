"""The seam: everything that training knows of a model. Generation calls the stages' own modules for what a batch
cannot hold: dances and videos of any length."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Protocol

from xdancer_jax.typing import Array, Batch, Extra, Metrics, Params, PyTree


class InitFn(Protocol):
    """Makes (params, extra). Parameters are boxed with logical axis names; `extra` holds what no gradient
    reaches: mutable collections (the EMA codebook) and the frozen weights of earlier stages under "frozen"."""

    def __call__(self, rng: Array, batch: Batch) -> tuple[Params, Extra]: ...


class LossFn(Protocol):
    """Scalar loss, scalar float32 metrics by name, and the new `extra`. Pure: all chance comes from `rng`."""

    def __call__(
        self, params: Params, extra: Extra, batch: Batch, rng: Array, train: bool
    ) -> tuple[Array, tuple[Metrics, Extra]]: ...


# (params, extra, batch, rng) -> arrays by name
ApplyFn = Callable[[Params, Extra, Batch, Array], Mapping[str, Array]]


@dataclasses.dataclass(frozen=True)
class Stage:
    """A model with its loss and sampling functions, as pure functions over (params, extra).

    Attributes:
      name: "tokenizer", "motion", "autoencoder" or "video"; written into checkpoints and checked when they are read.
      init: see InitFn. Must not depend on the values of `batch`, only on its shapes.
      loss: see LossFn.
      functions: named sample and eval functions, e.g. "reconstruct" or "sample".
      trainable: regexes searched in "/"-joined parameter paths; parameters that match none are frozen. Every
        regex must match at least one parameter.
    """

    name: str
    init: InitFn
    loss: LossFn
    functions: Mapping[str, ApplyFn] = dataclasses.field(default_factory=dict)
    trainable: tuple[str, ...] = (".*",)


__all__ = ["ApplyFn", "InitFn", "LossFn", "PyTree", "Stage"]
