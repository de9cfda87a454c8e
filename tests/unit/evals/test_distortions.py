"""Each metric moves as docs/metrics.md says, under five distortions by degrees."""

from pathlib import Path

import numpy as np
import pytest

from tests.unit.evals import distortions

DOC = Path(__file__).parents[3] / "docs" / "metrics.md"
# What must hold whatever the table says: which way a figure goes, all the way.
BEATS = ("bas_masked_100ms", "bas_bailando_60fps", "bas_mint_60fps", "bas_mace2d_16fps")
DISTANCES = tuple(f"fid_gtnorm_{name}" for name in ("kinetic_2d", "kinetic_2d_body", "geometric_2d"))
CLAIMS = {
    "jitter": dict.fromkeys(BEATS, "down") | dict.fromkeys((*DISTANCES, "jerk_2d_body", "pose_l1_half_height"), "up"),
    "shift": dict.fromkeys(BEATS, "down") | {"pose_l1_half_height": "up", "div_gtnorm_kinetic_2d": "same"},
    "freeze": {
        "bas_masked_100ms": "down", "bas_bailando_60fps": "down", "bas_mace2d_16fps": "down", "jerk_2d_body": "down",
        "div_gtnorm_kinetic_2d": "down", "pose_l1_half_height": "up",
    } | dict.fromkeys(DISTANCES, "up"),
    "dropout": {"bas_masked_100ms": "same", "jerk_2d_body": "same", "pose_l1_half_height": "same"},
    "copies": {
        "div_gtnorm_kinetic_2d": "down", "div_gtnorm_kinetic_2d_body": "down", "div_gtnorm_geometric_2d": "down",
    } | dict.fromkeys(DISTANCES, "up"),
}


@pytest.mark.parametrize("kind", distortions.LEVELS)
def test_figures_move_the_right_way_and_as_the_table_says(kind):
    found, place = distortions.table(kind), list(distortions.LEVELS).index(kind)
    for name, way in CLAIMS[kind].items():
        assert distortions.arrow(found[name]) == way, (name, found[name])
    rows = [line.split("|") for line in DOC.read_text().splitlines() if line.startswith("| `") and line.count("|") == 7]
    told = {row[1].strip(" `"): row[2 + place].split() for row in rows if row[1].strip(" `") in found}
    assert set(told) == set(found)
    for name, (way, *numbers) in told.items():
        assert way == distortions.arrow(found[name]), name
        np.testing.assert_allclose(found[name], [float(x) for x in numbers], rtol=0.02, atol=1e-6, err_msg=name)
