"""What becomes of each part of a model: where its weights come from, which of them train, how the others are held."""

import dataclasses
from collections.abc import Callable, Mapping

import jax

from xdancer_jax.typing import Array

# From the shapes of a part's leaves, with shardings and dtypes, by path ("params/unet/conv_in/kernel"), to arrays laid
# out so: of all of them, or of those that the source has. Whatever else does not fit is the reader's to refuse.
Reader = Callable[[Mapping[str, jax.ShapeDtypeStruct]], Mapping[str, Array]]


@dataclasses.dataclass(frozen=True)
class Part:
    """The fate of one part.

    Attributes:
      trainable: regexes searched in the "/"-joined paths of its parameters; those that match none are frozen: no
        gradients, no moments, no averages, one copy on disk. () freezes the whole part.
      learning_rate: factor of the run's.
      dtype: in which its frozen floating-point parameters are held.
      read: where its weights come from, see Reader; None for random ones.
      copy: an earlier part from which it takes every parameter, by path; "" for none.
      digest: of the weights that `read` gives, where the source knows it; "" where not (see train.digest).
    """

    trainable: tuple[str, ...] = (".*",)
    learning_rate: float = 1.0
    dtype: str = "float32"
    read: Reader | None = None
    copy: str = ""
    digest: str = ""


Parts = Mapping[str, Part]

__all__ = ["Part", "Parts", "Reader"]
