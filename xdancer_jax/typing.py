"""Array types and the letters used in every public signature.

B batch, T frames of a motion window, F frames of a clip, J joints (60), S body parts (5), K tokens a part,
V entries of a codebook, C channels or code width, D model width, L sequence length, N heads, H and W height and
width (pixels or latent cells, as the docstring says), M music features, G global-music tokens.
"""

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import jax
from jaxtyping import Bool, Float, Int, UInt8, jaxtyped

Array = jax.Array
PyTree = Any
Params = PyTree
Extra = PyTree
Batch = Mapping[str, Any]
Metrics = dict[str, Array]

_F = TypeVar("_F", bound=Callable[..., Any])


def typechecked(function: _F) -> _F:
    """Checks the jaxtyping shapes of `function` at call (trace) time when XDANCER_TYPECHECK=1; free otherwise.

    The test suite sets the variable, so that every shape in a public signature is a claim that can fail.
    """
    if os.environ.get("XDANCER_TYPECHECK") != "1":
        return function
    from beartype import beartype

    return jaxtyped(typechecker=beartype)(function)


__all__ = [
    "Array", "Batch", "Bool", "Extra", "Float", "Int", "Metrics", "Params", "PyTree", "UInt8", "typechecked",
]
