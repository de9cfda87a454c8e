import os

import pytest

from launch.sweeps import slots


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """machine(cores, gpus): pretends to have them."""

    def pretend(cores, gpus):
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cores)))
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        monkeypatch.setenv("JAX_PLATFORMS", "")
        tool = tmp_path / "nvidia-smi"
        if gpus:
            tool.write_text("#!/bin/sh\n" + "".join(f"echo {index}\n" for index in range(gpus)))
            tool.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path) + ":/usr/bin:/bin")

    return pretend


def test_cores_are_divided(machine):
    machine(8, 0)
    assert [slot.cores for slot in slots.slots(3)] == [(0, 1), (2, 3, 4), (5, 6, 7)]
    assert [slot.cores for slot in slots.slots(None)] == [tuple(range(8))]


def test_more_runs_than_cores_share_them(machine):
    machine(2, 0)
    assert [slot.cores for slot in slots.slots(3)] == [(), (), ()]


def test_each_run_has_gpus_of_its_own(machine):
    machine(8, 4)
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in slots.slots(None)] == ["0", "1", "2", "3"]
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in slots.slots(2)] == ["0,1", "2,3"]
    with pytest.raises(ValueError, match="--max_parallel=5: there are 4 GPUs"):
        slots.slots(5)


def test_only_gpus_that_are_given_are_used(machine, monkeypatch):
    machine(8, 4)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    assert [slot.environment["CUDA_VISIBLE_DEVICES"] for slot in slots.slots(None)] == ["2", "3"]
    monkeypatch.setenv("JAX_PLATFORMS", "cpu")
    assert [slot.environment for slot in slots.slots(None)] == [{}]
