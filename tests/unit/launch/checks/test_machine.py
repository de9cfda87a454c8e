import importlib.metadata
import platform
from types import SimpleNamespace

import jax
import pytest

from launch.checks import machine
from launch.checks.findings import FAIL, OK, WARN
from launch.runs import versions


@pytest.fixture
def stated(monkeypatch):
    """stated(requires, python): of an installed distribution that asks for these."""
    distribution = importlib.metadata.distribution

    def play(requires, python=">=3.11"):
        about = SimpleNamespace(requires=requires, metadata={"Requires-Python": python})
        monkeypatch.setattr(
            importlib.metadata, "distribution", lambda name: about if name == "xdancer_jax" else distribution(name)
        )
        return machine.packages()

    return play


def test_versions_that_do_are_listed(stated):
    found = stated([f"jax>={jax.__version__}", "numpy", 'nothing>=3; extra == "pose"'])
    assert found.state == OK
    assert f"Python {platform.python_version()}, jax {jax.__version__}, jaxlib" in found.found


@pytest.mark.parametrize(("requires", "python", "wrong"), [
    (["jax>=99"], ">=3.11", f"jax {jax.__version__}, needed is >=99"),
    (["nobody-has-this"], ">=3.11", "nobody-has-this is missing"),
    ([], ">=4", f"Python {platform.python_version()}, needed is >=4"),
])
def test_what_is_too_old_or_missing_is_named(stated, requires, python, wrong):
    found = stated(requires, python)
    assert (found.state, found.found) == (FAIL, wrong) and "pip install" in found.remedy


def test_a_development_version_counts_by_its_number(stated, monkeypatch):
    monkeypatch.setattr(versions, "version", lambda package: "2.0.dev1")
    assert stated(["jax>=1.9"]).state == OK
    assert stated(["jax>=2.0"]).state == FAIL


def test_without_a_distribution_nothing_is_compared(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    assert machine.packages().state == WARN


def test_devices_are_counted_and_compute():
    found = machine.devices()
    assert found.found.startswith(f"{jax.device_count()} of kind {jax.devices()[0].device_kind}")


def test_a_device_that_computes_wrongly_fails(monkeypatch):
    monkeypatch.setattr(machine.jnp, "arange", lambda *given, **options: jax.numpy.ones(4))
    assert machine.devices().state == FAIL


@pytest.mark.parametrize(("cards", "backend", "here", "environment", "expected"), [
    (0, "cpu", 1, {}, None),
    (8, "gpu", 8, {}, None),
    (8, "gpu", 1, {"SLURM_STEP_TASKS_PER_NODE": "8(x2)"}, None),
    (8, "gpu", 1, {"OMPI_COMM_WORLD_LOCAL_SIZE": "8"}, None),
    (8, "gpu", 1, {"SLURM_STEP_TASKS_PER_NODE": "1(x2)"}, "the machine has 8 GPUs, and its 1 processes take 1 each"),
    (8, "cpu", 1, {}, "the machine has 8 GPUs, and JAX takes none"),
])
def test_gpus_that_nobody_takes_are_told(cards, backend, here, environment, expected):
    found = machine.unused(cards, backend, here, environment)
    assert (found and found[0]) == expected


def test_memory_is_what_the_kernel_and_the_group_leave(tmp_path):
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemFree: 1 kB\nMemAvailable:   8000000 kB\n")
    assert machine.available(tmp_path / "meminfo", tmp_path) == 8_192_000_000
    (tmp_path / "memory.current").write_text("500000000\n")
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.available(tmp_path / "meminfo", tmp_path) == 8_192_000_000
    (tmp_path / "memory.max").write_text("2000000000\n")
    assert machine.available(tmp_path / "meminfo", tmp_path) == 1_500_000_000


@pytest.mark.parametrize(("free", "state"), [(3.9e9, WARN), (4.1e9, OK)])
def test_little_memory_is_a_warning(monkeypatch, free, state):
    monkeypatch.setattr(machine, "available", lambda *where: free)
    assert machine.host_memory().state == state


def test_this_machine_tells_its_memory():
    assert 1e8 < machine.available(machine.Path("/proc/meminfo"), machine.Path("/sys/fs/cgroup")) < 1e14


def test_a_cpu_has_no_memory_of_its_own():
    assert machine.device_memory() is None


@pytest.mark.parametrize(("limits", "chip", "state"), [
    ([60e9, 60e9], 80e9, OK), ([60e9, 30e9], 80e9, WARN), ([1e9], 0.0, OK),
])
def test_a_chip_that_is_half_taken_is_a_warning(limits, chip, state):
    found = machine.judged(limits, 2e7, chip)
    assert found.state == state and f"{min(limits) / 1e9:.1f} GB a device for JAX, 0.02 GB in use" in found.found
