"""The one attention function of the project."""

import jax

from xdancer_jax.typing import Array, Bool, Float, typechecked


@typechecked
def attention(
    query: Float[Array, "B L N D"],
    key: Float[Array, "B K N D"],
    value: Float[Array, "B K N D"],
    *,
    mask: Bool[Array, "#B #N #L K"] | None = None,
    is_causal: bool = False,
) -> Float[Array, "B L N D"]:
    """softmax(query key^T / sqrt(D)) value; the softmax in float32. True in `mask` means "may look".

    XLA's own kernel on every platform for now; platform kernels (cuDNN, splash) belong here and nowhere else.
    """
    return jax.nn.dot_product_attention(query, key, value, mask=mask, is_causal=is_causal)
