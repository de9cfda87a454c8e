"""The flags that say how tokens are drawn, of every command that makes dances."""

import dataclasses

from absl import flags
from ml_collections import ConfigDict

from xdancer_jax.stages.motion_sampling import Sampling

_FLAGS = {
    "temperature": flags.DEFINE_multi_float("temperature", None, "Of the motion's tokens. Once, or once a body part."),
    "top_k": flags.DEFINE_multi_integer("top_k", None, "Draw among the k likeliest; 0 for all. Once, or once a part."),
    "top_p": flags.DEFINE_multi_float("top_p", None, "Draw among the likeliest that make up p. Once, or once a part."),
}


def sampling(config: ConfigDict) -> Sampling:
    """The flags given, and the motion config's values for the others. Raises ValueError for what does not fit it."""
    given = {name: tuple(flag.value) for name, flag in _FLAGS.items() if flag.value is not None}
    chosen = dataclasses.replace(Sampling(**config.sampling), **given)
    chosen.of_parts(config.model.num_parts)
    return chosen
