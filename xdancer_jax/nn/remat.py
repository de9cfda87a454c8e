"""What the backward pass finds in memory, and what of a block it computes again: policies by name, for every stage."""

import jax
from flax import linen as nn
from jax.ad_checkpoint import Offloadable

from xdancer_jax.nn.attention import fused_attention_saveable
from xdancer_jax.nn.platform import HOST_MEMORY, has_host_memory, platform


def _is_product(primitive, *operands, **params) -> bool:
    """Whether this is a product with weights (dense layers, convolutions) or fused attention: dear to compute again."""
    if primitive.name == "conv_general_dilated":
        return True
    dense = jax.checkpoint_policies.dots_with_no_batch_dims_saveable
    return dense(primitive, *operands, **params) or fused_attention_saveable(primitive, *operands, **params)


def _offloaded(primitive, *operands, **params) -> bool | Offloadable:
    """The same, moved to the host. Asked where a gradient is traced, so that other devices can run such a model."""
    if not _is_product(primitive, *operands, **params):
        return False
    if not has_host_memory():
        raise ValueError(
            f'remat "offload": {platform()} devices have no {HOST_MEMORY} memory to keep activations in; give '
            '--config.model.remat=full (video: --config.model.unet.remat=full)'
        )
    return Offloadable(src="device", dst=HOST_MEMORY)


# What of a block stays for the backward pass.
POLICIES = {
    "none": None,  # everything
    "dots": _is_product,  # what _is_product says
    "attention": fused_attention_saveable,  # the block's input, and what fused attention gives: small, dear to compute
    "full": jax.checkpoint_policies.nothing_saveable,  # the block's input alone
    "offload": _offloaded,  # what "dots" keeps, in the host's memory
}


def recomputed(block: type[nn.Module], name: str, *, prevent_cse: bool = True) -> type[nn.Module]:
    """The module class `block` under policy `name`: the same parameters, and the same results to rounding.

    prevent_cse: False where the block is the body of a loop, which XLA does not see through: elsewhere it would merge
    what is to be computed again with what was, unless barriers hold the two apart.

    Raises:
      ValueError: an unknown name. Under "offload" the gradient raises it on devices without memory of the host.
    """
    if name not in POLICIES:
        raise ValueError(f"remat {name!r} is unknown; choose one of {tuple(POLICIES)}")
    return block if name == "none" else nn.remat(block, policy=POLICIES[name], prevent_cse=prevent_cse)


__all__ = ["POLICIES", "recomputed"]
