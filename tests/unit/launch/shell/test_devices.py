from types import SimpleNamespace

import jax
import numpy as np
import pytest

from launch.shell import devices


def _device(kind, cores=None, stats=None):
    return SimpleNamespace(device_kind=kind, num_cores=cores, memory_stats=lambda: stats)


def test_peaks_are_those_of_the_vendors_pages():
    assert devices.chip(_device("NVIDIA H100 80GB HBM3")).flops == 989e12
    assert devices.chip(_device("TPU v5 lite", 1)) == devices.Chip(197e12, 16e9, 819e9)
    assert devices.chip(jax.devices("cpu")[0]) is None


@pytest.mark.parametrize("kind, cores, share", [
    ("TPU v4", 2, 1), ("TPU v4", 1, 0.5), ("TPU v5", 2, 1), ("TPU7x", 1, 0.5)])
def test_a_device_that_is_half_a_chip_has_half_of_it(kind, cores, share):
    whole = devices._CHIPS[kind]
    found = devices.chip(_device(kind, cores))
    assert (found.flops, found.memory, found.bandwidth) == (
        whole.flops * share, whole.memory * share, whole.bandwidth * share)


def test_memory_is_that_of_the_fullest_device():
    stats = [{"bytes_in_use": 3, "peak_bytes_in_use": peak, "bytes_limit": 9} for peak in (4, 7, 5)]
    found = devices.memory([_device("NVIDIA H200", stats=each) for each in stats])
    assert found == {"in_use": 3.0, "peak": 7.0, "limit": 9.0}


def test_memory_of_a_cpu_is_that_of_the_process():
    before = devices.memory(jax.devices("cpu"))
    held = np.ones(2**25)  # 256 MiB
    after = devices.memory(jax.devices("cpu"))
    assert 0.9 * held.nbytes < after["in_use"] - before["in_use"] < 1.2 * held.nbytes
    assert after["in_use"] <= after["peak"] * 1.01 and after["peak"] < after["limit"]
