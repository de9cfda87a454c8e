import types

import jax
import pytest

from xdancer_jax.nn import platform as module
from xdancer_jax.nn.platform import has_host_memory, platform


def _devices(*kinds):
    return lambda: [types.SimpleNamespace(addressable_memories=lambda: [types.SimpleNamespace(kind=k) for k in kinds])]


def test_the_devices_here_say_what_memory_they_have(monkeypatch):
    assert platform() == "cpu" and has_host_memory()  # what tests of offloading stand on
    monkeypatch.setattr(jax, "local_devices", _devices("device", "unpinned_host"))
    assert not has_host_memory()


@pytest.mark.parametrize("absent, found", [("tpu", True), ("gpu", True), ("other", False)])
def test_absent_devices_have_it_by_platform(absent, found, monkeypatch):
    monkeypatch.setattr(module, "platform", lambda: absent)
    monkeypatch.setattr(jax, "local_devices", _devices())
    assert has_host_memory() is found
