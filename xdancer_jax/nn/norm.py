"""Group and layer norms; statistics and arithmetic in float32 whatever the dtype of the input."""

import flax.linen as nn


def group_norm(
    groups: int, name: str | None = None, *, epsilon: float = 1e-5, dtype=None, param_dtype="float32"
) -> nn.GroupNorm:
    """GroupNorm over (N, H, W, C): statistics of one image and one group of channels."""
    return nn.GroupNorm(
        num_groups=groups, epsilon=epsilon, name=name, dtype=dtype, param_dtype=param_dtype, use_fast_variance=False,
        scale_init=nn.with_logical_partitioning(nn.initializers.ones_init(), (None,)),
        bias_init=nn.with_logical_partitioning(nn.initializers.zeros_init(), (None,)),
    )


def layer_norm(name: str | None = None, *, epsilon: float = 1e-5, dtype=None, param_dtype="float32") -> nn.LayerNorm:
    """LayerNorm over the last axis."""
    return nn.LayerNorm(
        epsilon=epsilon, name=name, dtype=dtype, param_dtype=param_dtype, use_fast_variance=False,
        scale_init=nn.with_logical_partitioning(nn.initializers.ones_init(), (None,)),
        bias_init=nn.with_logical_partitioning(nn.initializers.zeros_init(), (None,)),
    )


__all__ = ["group_norm", "layer_norm"]
