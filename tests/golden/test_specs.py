"""How the full-size models' parameters lie on a mesh of all axes, table by table; moments and averages lie as they do.

A leaf that is not listed is whole on every device. After a change that is meant, run with WRITE_GOLDEN=1 and read the
diff.
"""

import os
from pathlib import Path

import pytest
from jax.sharding import AbstractMesh, AxisType

from configs.sharding import TABLES
from tests.golden import test_parameters
from xdancer_jax import sharding
from xdancer_jax.train import trees

SIZES = {"dcn_data": 2, "data": 2, "fsdp": 8, "tensor": 4}


@pytest.mark.full_size
@pytest.mark.parametrize("name", [name for name in test_parameters.VARIANTS if name != "video:paper_appearance"])
def test_parameters_lie_where_they_lay(name):
    stage, variant = name.split(":")
    mesh = AbstractMesh(tuple(SIZES.values()), tuple(SIZES), axis_types=(AxisType.Auto,) * len(SIZES))
    boxed = test_parameters.boxed(stage, variant)
    for table, rules in TABLES.items():
        places = trees.by_path(sharding.shardings(boxed, mesh, rules))
        split = {path: place.spec for path, place in places.items() if any(place.spec)}
        lines = [f"{path} {' '.join(map(_text, spec))}" for path, spec in sorted(split.items())]
        lines.append(f"{len(split)} of {len(places)} arrays are split")
        # Frames are activations: parameters lie as under fsdp.
        path = Path(__file__).with_name(f"specs_{stage}_{table.removesuffix('_frames')}.txt")
        if os.environ.get("WRITE_GOLDEN"):
            path.write_text("\n".join(lines) + "\n")
        assert path.read_text().splitlines() == lines, f"{path.name} differs; see this file's docstring"


def _text(entry):
    """One dimension of a spec."""
    return "-" if entry is None else entry if isinstance(entry, str) else ",".join(entry)
