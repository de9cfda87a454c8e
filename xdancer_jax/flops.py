"""Floating-point operations of a function, counted from its jaxpr: the one count of training, benchmarks and pod plans.

Matrix products, convolutions and fused attention count, a multiplication and an addition as two operations; what works
element by element, sums, sorts and FFTs do not: memory bounds them. The count is of the whole program over all devices.
XLA's own (`cost_analysis`) takes a loop's body once and knows nothing of custom kernels.

Two counts of one training step:
  hardware FLOPs: `of` the step, with all that the backward pass computes a second time (remat, fused attention).
  model FLOPs: `of_gradient` of the loss, where nothing is computed twice. MFU, model FLOPs utilisation, is over these.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, Final

import jax
import numpy as np
from jax.extend import core
from jax.extend.core import primitives
from jax.interpreters import partial_eval

AGAIN: Final = "computed_again"
# Products of two (length, length) or (length, width) matrices in fused attention, computed and needed: the forward pass
# has the scores and the mix of values; the backward pass needs the gradients of weights, values, queries and keys, and
# computes the scores again, splash's two kernels both the scores and the gradient of the weights.
_FUSED = {
    "dot_product_attention_fwd": (2, 2), "dot_product_attention_bwd": (5, 4),
    "splash_mha_fwd": (2, 2), "splash_mha_dkv": (4, 3), "splash_mha_dq": (3, 1),
}


def of(function: Callable, *args: Any) -> float:
    """FLOPs of `function`, traced for `args` (arrays or their shapes); none is computed. Raises as `count` does."""
    return count(_live(jax.make_jaxpr(function)(*args).jaxpr))


def of_gradient(loss: Callable, first: Any, *rest: Any) -> float:
    """FLOPs of the scalar `loss`(first, *rest) and of its gradient in `first`, with nothing computed twice.

    jax.checkpoint is taken out of the loss before it is differentiated, and products in a scope of the name AGAIN, by
    which a gradient of one's own says what it computes a second time, do not count. What else is written by hand stays
    as it was traced: causal attention on a CPU is in blocks that see about a ninth more than half, splash pads lengths
    to 128.
    """
    traced = jax.make_jaxpr(loss)(first, *rest)
    kept = core.jaxpr_as_fun(core.ClosedJaxpr(_without_remat(traced.jaxpr), traced.consts))
    first, rest = jax.tree.leaves(first), jax.tree.leaves(rest)

    def gradient(first: list, rest: list) -> Any:
        return jax.value_and_grad(lambda first: kept(*first, *rest)[0])(first)

    return count(_live(jax.make_jaxpr(gradient)(first, rest).jaxpr), twice=False)


def count(jaxpr: core.Jaxpr, twice: bool = True) -> float:
    """FLOPs of a jaxpr.

    A scan counts its length, a branch its most expensive side, a shard_map all devices of the axes that it is manual
    in, a Pallas kernel every place of its grid. Causal splash attention counts half. twice: whether attention counts
    what it computes again in the backward pass.

    Raises:
      ValueError: a while loop, whose turns nobody knows, holds products.
    """
    return float(sum(_of_equation(equation, twice) for equation in jaxpr.eqns))


def _of_equation(equation: core.JaxprEqn, twice: bool) -> float:
    name, params = equation.primitive.name, equation.params
    inside = [count(jaxpr, twice) for jaxpr in _jaxprs(params)]
    fused = next((found for prefix, found in _FUSED.items() if _name(equation).startswith(prefix)), None)
    if fused is not None:
        return fused[0 if twice else 1] * _attention_product(equation)
    if name == "dot_general":
        return 0.0 if not twice and AGAIN in str(equation.source_info.name_stack) else _dot(equation)
    if name == "conv_general_dilated":
        return _convolution(equation)
    if name == "scan":
        return params["length"] * sum(inside)
    if name == "cond":
        return max(inside)
    if name == "while" and any(inside):
        raise ValueError(
            "flops: a while loop holds products, and how often it turns is not known; write it as a scan, or as a "
            "fori_loop of known length"
        )
    if name == "shard_map":
        return math.prod(params["mesh"].shape[axis] for axis in params["newly_manual_axes"]) * sum(inside)
    if name == "pallas_call":
        return math.prod(params["grid_mapping"].grid) * sum(inside)
    return sum(inside)


def _name(equation: core.JaxprEqn) -> str:
    """A Pallas kernel's own name, else the primitive's."""
    return equation.params["name"] or "" if equation.primitive.name == "pallas_call" else equation.primitive.name


def _dot(equation: core.JaxprEqn) -> float:
    (contracted, _), _ = equation.params["dimension_numbers"]
    left = equation.invars[0].aval.shape
    return 2.0 * math.prod(equation.outvars[0].aval.shape) * math.prod(left[axis] for axis in contracted)


def _convolution(equation: core.JaxprEqn) -> float:
    """Products with padding, and with the zeros between dilated inputs, are left out: so either gradient costs what the
    forward pass does."""
    params, (left, right) = equation.params, (variable.aval.shape for variable in equation.invars)
    numbers, out = params["dimension_numbers"], equation.outvars[0].aval.shape
    pairs = 1
    for place, (axis, kernel_axis, out_axis) in enumerate(
        zip(numbers.lhs_spec[2:], numbers.rhs_spec[2:], numbers.out_spec[2:], strict=True)
    ):
        outputs, taps = np.arange(out[out_axis])[:, None], np.arange(right[kernel_axis])
        read = (
            outputs * params["window_strides"][place] + taps * params["rhs_dilation"][place]
            - params["padding"][place][0]
        )
        dilation = params["lhs_dilation"][place]
        pairs *= int(((read >= 0) & (read < left[axis] * dilation) & (read % dilation == 0)).sum())
    features = right[numbers.rhs_spec[0]] * right[numbers.rhs_spec[1]]  # the latter of one group
    return 2.0 * pairs * features * left[numbers.lhs_spec[0]] / params["batch_group_count"]


def _attention_product(equation: core.JaxprEqn) -> float:
    """FLOPs of one product over the scores: the causal half, where what is masked is not computed."""
    if equation.primitive.name == "pallas_call":  # blocks' places, queries (*rows, N, L, D), keys (*rows, N, K, D), ...
        tensors = (v.aval for v in equation.invars if jax.numpy.issubdtype(v.aval.dtype, np.floating))
        query, key = next(tensors).shape, next(tensors).shape
        # The causal one computes its mask, from the numbers of its queries: of the whole numbers it alone has a matrix.
        whole = (v.aval for v in equation.invars if v.aval.dtype == np.int32)
        causal, axis = any(len(aval.shape) == 2 for aval in whole), -2
    else:
        query, key = (variable.aval.shape for variable in equation.invars[:2])
        causal, axis = "CAUSAL" in str(equation.params["mask_type"]), (-2 if equation.params["layout"] else -3)
    seen = (query[axis] + 1) / 2 if causal else key[axis]
    return 2.0 * math.prod(query) * seen


def _jaxprs(params: dict[str, Any]) -> Iterator[core.Jaxpr]:
    for value in params.values():
        for each in value if isinstance(value, (tuple, list)) else (value,):
            each = each.jaxpr if isinstance(each, core.ClosedJaxpr) else each
            if isinstance(each, core.Jaxpr):
                yield each


def _live(jaxpr: core.Jaxpr) -> core.Jaxpr:
    """Without what no result depends on, which XLA leaves out as well."""
    return partial_eval.dce_jaxpr(jaxpr, [True] * len(jaxpr.outvars), instantiate=True)[0]


def _without_remat(jaxpr: core.Jaxpr) -> core.Jaxpr:
    """The same computation, whose gradient keeps all that it needs."""

    def changed(value: Any) -> Any:
        if isinstance(value, core.ClosedJaxpr):
            return core.ClosedJaxpr(_without_remat(value.jaxpr), value.consts)
        if isinstance(value, core.Jaxpr):
            return _without_remat(value)
        return tuple(changed(each) for each in value) if type(value) is tuple else value

    equations = []
    for equation in jaxpr.eqns:
        params = {name: changed(value) for name, value in equation.params.items()}
        if equation.primitive is primitives.remat_p:
            call = core.ClosedJaxpr(params["jaxpr"], ())
            equation = equation.replace(primitive=primitives.closed_call_p, params={"call_jaxpr": call})
        else:
            equation = equation.replace(params=params)
        equations.append(equation)
    return jaxpr.replace(eqns=equations)


__all__ = ["AGAIN", "count", "of", "of_gradient"]
