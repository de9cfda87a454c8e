"""What is compiled for: some operations have their own best form on each platform."""

import jax


def platform() -> str:
    """cpu, gpu or tpu: of the mesh in use, whose devices may be absent (ahead-of-time compiles), else JAX's own."""
    device = jax.sharding.get_abstract_mesh().abstract_device
    return jax.default_backend() if device is None else device.platform
