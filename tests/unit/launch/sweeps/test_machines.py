import math

import pytest

from launch.sweeps import machines


@pytest.mark.parametrize(("machine", "topology", "hosts"), [
    ("ct4p-hightpu-4t", "2x2x1", 1), ("ct4p-hightpu-4t", "2x2x4", 4), ("ct4p-hightpu-4t", "8x16x16", 512),
    ("ct5lp-hightpu-1t", "1x1", 1), ("ct5lp-hightpu-4t", "2x4", 2), ("ct5lp-hightpu-8t", "2x4", 1),
    ("ct5lp-hightpu-4t", "16x16", 64), ("ct5p-hightpu-4t", "4x4x4", 16), ("ct5p-hightpu-4t", "16x16x24", 1536),
    ("ct6e-standard-4t", "4x8", 8), ("ct6e-standard-8t", "2x4", 1), ("tpu7x-standard-4t", "2x2x2", 2),
])
def test_hosts_of_shapes_that_google_lists(machine, topology, hosts):
    assert machines.hosts(machine, topology) == hosts


# What xpk, Google's launcher, has for v5p: none may be refused.
V5P = """2x2x1 2x2x2 2x2x4 2x4x4 4x4x4 4x4x8 4x4x12 4x8x8 4x4x20 4x8x12 4x4x28 8x8x8 4x12x12 4x8x20 4x4x44 8x8x12
4x4x52 4x8x28 4x12x20 8x8x16 4x4x68 8x12x12 4x4x244 4x8x124 12x12x28 16x16x16 16x16x24 12x24x24 16x20x28 4x28x52"""


@pytest.mark.parametrize("topology", V5P.split())
def test_three_dimensions_follow_the_rule(topology):
    chips = math.prod(map(int, topology.split("x")))
    assert machines.hosts("ct5p-hightpu-4t", topology) == chips // 4


@pytest.mark.parametrize(("machine", "topology", "nearest"), [
    ("ct5lp-hightpu-4t", "4x5", "4x4, 4 hosts"), ("ct5lp-hightpu-4t", "8x4", "4x8, 8 hosts"),
    ("ct5lp-hightpu-4t", "1x1", "2x2, 1 hosts"), ("ct5lp-hightpu-8t", "4x4", "2x4, 1 hosts"),
    ("ct5lp-hightpu-4t", "32x32", "16x16, 64 hosts"), ("ct5p-hightpu-4t", "4x4", "2x2x4, 4 hosts"),
    ("ct5p-hightpu-4t", "8x4x4", "4x4x8, 32 hosts"), ("ct5p-hightpu-4t", "6x6x6", "4x4x12, 48 hosts"),
    ("ct6e-standard-4t", "v6e-16", "2x2, 1 hosts"), ("ct6e-standard-4t", "0x4", "2x2, 1 hosts"),
    ("ct6e-standard-4t", "", "2x2, 1 hosts"),
])
def test_a_topology_that_a_machine_does_not_make_is_refused_with_the_nearest(machine, topology, nearest):
    with pytest.raises(ValueError, match=f"^cluster.topology={topology}: {machine} .* the nearest is {nearest}$"):
        machines.hosts(machine, topology)


def test_every_topology_fills_whole_hosts():
    for name, machine in machines.MACHINES.items():
        for topology in machine.topologies:
            assert machines.hosts(name, topology) * machine.devices == math.prod(map(int, topology.split("x")))
        assert list(dict.fromkeys(machine.topologies)) == list(machine.topologies)


def test_an_unknown_machine_is_named_with_what_was_meant():
    with pytest.raises(ValueError, match="cluster.machine=ct5lp-hightpu4t: not known; did you mean 'ct5lp-hightpu-4t'"):
        machines.find("ct5lp-hightpu4t", tpu=True)
    with pytest.raises(ValueError, match="choose one of g2-standard-12, .*a4-highgpu-8g$"):
        machines.find("p5.48xlarge", tpu=False)


def test_machines_of_the_other_kind_are_refused():
    with pytest.raises(ValueError, match="it has GPUs, no TPUs; take configs/cluster.py:gke_gpu"):
        machines.hosts("a3-highgpu-8g", "2x2")
    with pytest.raises(ValueError, match="it has TPUs, no GPUs; take configs/cluster.py:gke_tpu"):
        machines.find("ct6e-standard-4t", tpu=False)
