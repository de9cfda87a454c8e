import pytest

from configs import motion, video
from launch.compiling import search


def _searched(monkeypatch, fits, config=None, devices=16):
    """(what search gives, what was told, the configs that it planned)."""
    planned, told = [], []

    def plan(config, topology, cache, tell):
        planned.append(config)
        return {"fits": fits(config), "topology": topology}

    monkeypatch.setattr(search.plans, "plan", plan)
    monkeypatch.setattr(search.slices, "devices_of", lambda topology: range(devices))
    config = config or motion.get_config("medium")
    return search.search(config.lock(), "v5e:4x4", told.append), told, planned


def test_what_fits_as_it_is_is_left_alone(monkeypatch):
    found, told, planned = _searched(monkeypatch, lambda config: True)
    assert found["changes"] == {} and len(planned) == 1 and told[-1] == "the config as it is: fits"


def test_remat_comes_before_accumulation_and_split_weights(monkeypatch):
    found, _, planned = _searched(monkeypatch, lambda config: config.sharding == "fsdp" and config.accumulate == 2)
    assert found["changes"] == {"accumulate": 2, "sharding": "fsdp", "mesh.data": 1, "mesh.fsdp": -1}
    order = [(config.sharding, config.accumulate, config.model.remat) for config in planned]
    assert order[:4] == [("data", 1, "dots"), ("data", 1, "full"), ("data", 2, "dots"), ("data", 2, "full")]
    assert ("data", 8, "full") in order and ("data", 16, "dots") not in order  # 24 is no multiple of it
    assert order[-1] == ("fsdp", 2, "dots")
    assert planned[-1].mesh.fsdp == -1 and planned[-1].mesh.data == 1


def test_where_nothing_fits_the_last_plan_says_so(monkeypatch):
    found, told, _ = _searched(monkeypatch, lambda config: False, video.get_config("paper_motion"))
    assert found["fits"] is False and found["changes"]["sharding"] == "fsdp"
    assert all("fit" in line or "planning" in line for line in told)


def test_what_does_not_compile_is_passed_over(monkeypatch):
    def fits(config):
        if config.sharding == "data":
            raise RuntimeError("RESOURCE_EXHAUSTED: 20 GB of 16")
        return True

    found, told, _ = _searched(monkeypatch, fits)
    assert found["changes"]["sharding"] == "fsdp" and "the config as it is: RESOURCE_EXHAUSTED: 20 GB of 16" in told

    def never(config):
        raise ValueError("no")

    with pytest.raises(ValueError, match="--topology=v5e:4x4: nothing could be compiled; the last: no"):
        _searched(monkeypatch, never)


def test_frames_are_split_last_where_devices_are_more_than_clips(monkeypatch):
    config = video.get_config("paper_motion")
    found, _, planned = _searched(monkeypatch, lambda config: config.sharding == "fsdp_frames", config, devices=256)
    assert found["changes"] == {"sharding": "fsdp_frames", "mesh.data": 1, "mesh.fsdp": -1, "mesh.tensor": 16}
    assert {each.sharding for each in planned[:-1]} == {"data", "fsdp"}
    appearance, dance = video.get_config("paper_appearance"), motion.get_config("medium")
    for other, devices in ((config, 16), (appearance, 256), (dance, 256)):
        assert not any("mesh.tensor" in changes for changes in search.candidates(other, devices))
