"""Eight CPU devices. Run this directory as its own pytest process: devices are counted once, at their first use."""

import jax
import pytest

DEVICES = 8
jax.config.update("jax_num_cpu_devices", DEVICES)


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.devices)


@pytest.fixture(scope="session", autouse=True)
def eight_devices():
    assert jax.device_count() == DEVICES, "run pytest tests/multidevice as its own process"
