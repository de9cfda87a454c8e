"""What is known of the chips that JAX names."""

# bfloat16 FLOPs a second without sparsity, from the vendors' pages, by JAX's device_kind.
_PEAK_FLOPS = {
    "NVIDIA H100 80GB HBM3": 989e12, "NVIDIA H200": 989e12, "TPU v4": 275e12, "TPU v5 lite": 197e12, "TPU v5": 459e12,
    "TPU v6 lite": 918e12,
}


def peak_flops(device_kind: str) -> float | None:
    """bfloat16 FLOPs a second that one device can do at most; None for a kind that is not listed."""
    return _PEAK_FLOPS.get(device_kind)


__all__ = ["peak_flops"]
