"""The flags that say how tokens are drawn, of every command that makes dances."""

import dataclasses
from collections.abc import Callable

from absl import flags
from ml_collections import ConfigDict

from xdancer_jax.stages.motion_sampling import Sampling

_KINDS: dict[str, Callable[[str], float]] = {"temperature": float, "top_k": int, "top_p": float}
_FLAGS = {
    "temperature": flags.DEFINE_list("temperature", None, "Of the motion's tokens: one value, or one a body part."),
    "top_k": flags.DEFINE_list("top_k", None, "Draw among the k likeliest; 0 for all. One value, or one a part."),
    "top_p": flags.DEFINE_list("top_p", None, "Draw among the likeliest that make up p. One value, or one a part."),
}


def sampling(config: ConfigDict) -> Sampling:
    """The flags given, and the motion config's values for the others. Raises ValueError for what does not fit it."""
    given = {}
    for name, flag in _FLAGS.items():
        if flag.value is not None:
            try:
                given[name] = tuple(_KINDS[name](value) for value in flag.value)
            except ValueError as error:
                raise ValueError(f"--{name}={','.join(flag.value)}: {error}") from error
    chosen = dataclasses.replace(Sampling(**config.sampling), **given)
    chosen.of_parts(config.model.num_parts)
    return chosen
