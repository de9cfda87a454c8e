import json

import pytest

from benchmarks import pods

SMALL = pods.Row("tokenizer:tiny", "local", {"batch_size": 8, "mesh.data": -1, "mesh.fsdp": 1}, False)


def test_every_row_has_a_config_and_a_name_of_its_own():
    assert len({row.name for row in pods.ROWS}) == len(pods.ROWS)
    motion, video = (next(row for row in pods.ROWS if row.name.startswith(name)) for name in (
        "motion:medium v5e:8x8", "video:paper_motion v5e:16x16"
    ))
    assert "--config.batch_size=64" in motion.flags and "--count" not in motion.flags
    assert {"--config.mesh.tensor=16", "--config.sharding=fsdp_frames", "--config.batch_size=16"} <= set(video.flags)
    assert "--effort=O1" in video.flags and "--effort=O1" not in motion.flags


@pytest.mark.process
def test_a_row_is_planned_once(tmp_path, monkeypatch):
    monkeypatch.setattr(pods, "ROWS", (SMALL, SMALL._replace(topology="v5e:2x4", compiled=True)))
    planned, asked = pods.planned, []
    monkeypatch.setattr(pods, "planned", lambda row: asked.append(row) or planned(row) | {"limit": 1e9, "fits": True,
                        "step_seconds": {"peak": 1.0}, "days_of_the_paper": {"peak": 1.0}})  # fmt: skip
    pods.fill(tmp_path, False, "")
    pods.fill(tmp_path, False, "")
    assert asked == [SMALL]
    (found,) = json.loads((tmp_path / "pods.json").read_text()).values()
    assert found["batch_size"] == 8 and found["devices"] == 1 and found["variant"] == "tokenizer:tiny"
    assert "## tokenizer:tiny" in (tmp_path / "pods.md").read_text()
    pods.fill(tmp_path, False, "tokenizer:tiny local")
    assert asked == [SMALL, SMALL]


def test_a_row_without_a_plan_is_named():
    with pytest.raises(RuntimeError, match="tokenizer:tiny nowhere.*: launch.compile gave no plan"):
        pods.planned(SMALL._replace(topology="nowhere"))
