import math

from benchmarks.measures import collective_bytes
from launch.compiling.collectives import Collective


def test_bytes_and_arrays_are_summed_by_kind():
    found = [Collective("all-gather", (500_000,), "", 4, 2)] * 2 + [Collective("all-reduce", (250_000,), "", 4, 2)]
    assert collective_bytes.summed(found) == {
        "megabytes_sent": 3.0, "by_kind": {"all-gather": 2.0, "all-reduce": 1.0},
        "arrays": {"all-gather": 2, "all-reduce": 1},
    }


def test_every_mesh_has_as_many_devices_as_it_says():
    meshes = [each for of in collective_bytes.MESHES.values() for each in of.items()]
    assert len(meshes) == 12 and all(math.prod(mesh.values()) == count for count, mesh in meshes)
