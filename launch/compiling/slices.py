"""Devices of a TPU slice that is not here, by the name that libtpu gives it; or those of this machine."""

import os
from collections.abc import Sequence

import jax
from jax.experimental import topologies


def devices_of(topology: str) -> Sequence[jax.Device]:
    """"local", or a slice as v5e:16x16, v5p:4x4x4.

    Raises:
      ImportError: without libtpu, which compiles for TPUs on any machine.
      ValueError: a slice that libtpu does not know.
    """
    if topology == "local":
        return jax.devices()
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")  # no TPU's metadata server here
    os.environ.setdefault("ALLOW_MULTIPLE_LIBTPU_LOAD", "1")  # it drives no TPU: several may compile at once
    try:
        import libtpu  # noqa: F401
    except ImportError as error:
        raise ImportError(f"--topology={topology}: needs the compiler for TPUs, pip install libtpu") from error
    # As a v4 slice is used: a chip's two cores are one device, and jax.make_mesh takes no other.
    options = {"chip_config_name": "megacore"} if topology.startswith("v4:") else {}
    try:
        return topologies.get_topology_desc(platform="tpu", topology_name=topology, **options).devices
    except Exception as error:  # libtpu's own kinds of error
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"--topology={topology}: libtpu knows no such slice ({reason}); give one as v5e:4x4, v5p:4x4x4, v6e:16x16"
        ) from error


__all__ = ["devices_of"]
