"""What is compiled for: some operations have their own best form on each platform."""

import jax

HOST_MEMORY = "pinned_host"  # JAX's kind of the host's memory that devices copy to and from by themselves


def platform() -> str:
    """cpu, gpu or tpu: of the mesh in use, whose devices may be absent (ahead-of-time compiles), else JAX's own."""
    device = jax.sharding.get_abstract_mesh().abstract_device
    return jax.default_backend() if device is None else device.platform


def has_host_memory() -> bool:
    """Whether the devices compiled for have HOST_MEMORY. A CPU's lies in its one memory: nothing is moved there."""
    if platform() != jax.default_backend():
        return platform() in ("gpu", "tpu")  # absent devices: JAX's own of both kinds have it
    return any(memory.kind == HOST_MEMORY for memory in jax.local_devices()[0].addressable_memories())
