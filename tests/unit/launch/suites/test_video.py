"""Painted clips, kept and measured; the networks are stand-ins that look at mean colours."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from data_pipeline import provenance, sources
from launch.figures import videos
from launch.figures.data import Data
from launch.suites import kept, sounds, video
from launch.suites.kept import TRUTH, Place
from launch.suites.networks import Given
from xdancer_jax.evals.embedding import Embedder
from xdancer_jax.evals.identity import TEMPLATE, FaceFinder
from xdancer_jax.evals.seam import Seam

MEASURED = ["psnr_float", "frame_l1_mean", "lpips_vgg", "lpips_vgg_01_disco_legacy", "fvd_videogpt",
            "fidvid_resnext101", "id_sim_arcface", "flicker_first_difference", "seam_step_ratio"]  # the quick ones
RUN = SimpleNamespace(config=SimpleNamespace(pose_control="none"))


class Stand(Given):
    """All weights are there."""

    def lacking(self, *kinds):
        return ""

    def i3d(self, epsilon, pool_frames):
        return Embedder("colours", lambda clips: clips.mean(axis=(1, 2, 3)))

    def resnet(self, kind):
        return self.i3d(0, 0)

    def lpips(self, backbone):
        return Embedder("colours", lambda one, other: np.abs(one - other).mean(axis=(1, 2, 3)))

    def face_networks(self):
        return FaceFinder("centre", lambda frame: np.asarray(TEMPLATE) / 4), Embedder(
            "colours", lambda faces: faces.mean(axis=(2, 3)) + 2
        )


@pytest.fixture
def painted(monkeypatch):
    rng, calls = np.random.default_rng(0), []
    records = [{"id": f"c{i}", "poses": rng.uniform(0, 1, (20, 60, 3)).astype(np.float32),
                "frames": rng.integers(0, 256, (20, 32, 32, 3), np.uint8)} for i in range(4)]
    records.append({key: value if key == "id" else value[:6] for key, value in (records[0] | {"id": "short"}).items()})

    def painter(run, steps):
        def paint(dancer, dance, seed):
            calls.append(seed)
            return np.random.default_rng((seed, len(calls))).integers(0, 256, (len(dance.poses), 32, 32, 3), np.uint8)

        return paint

    views = sources.from_arrays(records, ["poses", "frames"])
    monkeypatch.setattr(Data, "views", lambda self, fields: [views[i] for i in range(len(views))])
    monkeypatch.setattr(sounds, "fields", lambda data: ())
    monkeypatch.setattr(video.painting, "painter", painter)
    return calls


@pytest.fixture
def place(tmp_path):
    found = Place(tmp_path, "video", 3, {})
    found.clips.mkdir(parents=True)
    return found


def test_what_is_kept_is_measured_and_short_clips_are_named(painted, place):
    data = Data("nowhere", frames=18, seed=7)
    clips = video.keep(RUN, data, place)
    assert clips == (["c0", "c1", "c2", "c3"], ["1 clips left out, shorter than --frames=18: short"], 1)
    assert painted == [7] * 4
    for name in clips.names:
        assert provenance.source_of(place.clip(name, ".mp4")) == provenance.GENERATED
        assert provenance.source_of(place.clip(name + TRUTH, ".mp4")) is None
    assert video.keep(RUN, data, place) == clips and len(painted) == 4
    figures = video.figures(*video.kept_sides(place, clips.names), Stand({}), "vgg", Seam(length=8, overlap=2))
    assert len(figures) == 19
    chosen = [figure for figure in figures if figure.ids[0] in MEASURED]
    found = {figure.ids[0]: result for figure in chosen for result in figure.measure()}
    assert list(found) == MEASURED == [result.protocol for result in found.values()]
    true = [np.stack([data.views([])[i].image(at) for at in range(1, 19)]) for i in range(4)]
    made = [np.stack(list(kept.frames(place.clip(name)))) for name in clips.names]
    photos = [data.views([])[i].image(0) for i in range(4)]
    wanted = {result.protocol: result for result in videos.video_figures(list(zip(made, true, photos, strict=True)))}
    for name, result in wanted.items():
        for value in ("score", "repeat_photo"):
            assert found[name].values[value] == pytest.approx(result.values[value], rel=1e-9), (name, value)
    for name in ("fvd_videogpt", "fidvid_resnext101"):
        assert {"distance", "ground_truth", "repeat_photo"} <= found[name].values.keys()
    assert {"score", "ground_truth", "chance"} <= found["id_sim_arcface"].values.keys()
    assert found["seam_step_ratio"].constants["length"] == 8


def test_seams_need_their_windows_and_weights_are_asked_for(painted, place):
    sides = video.kept_sides(place, video.keep(RUN, Data("nowhere", frames=8), place).names)
    unknown, one = (video.figures(*sides, Given({}), "alex", seam)[-1] for seam in (None, Seam()))
    assert "not known" in unknown.lacking and "more --frames" in one.lacking
    lacking = {figure.ids[0]: figure.lacking for figure in video.figures(*sides, Given({}), "alex", None)}
    flags = {"lpips_alex": "--lpips_backbone", "fvd_disco": "--i3d", "fidvid_resnet50_disco": "--resnet50",
             "fidvid_resnext101": "--resnext101", "id_sim_arcface": "--face_finder"}
    for name, flag in flags.items():
        assert f"give {flag}: " in lacking[name]
    assert not lacking["psnr_float"] and not lacking["flicker_second_difference"]


def test_files_of_weights_are_stated_and_must_be_there(tmp_path):
    (tmp_path / "i.pt").write_bytes(b"x")
    given = Given({"i3d": str(tmp_path / "i.pt"), "arcface": str(tmp_path / "none.onnx")})
    assert given.stated("i3d")["i3d"].startswith("i.pt 2d711642b726")
    assert given.lacking("i3d") == "" and given.lacking("scrfd").startswith("give --face_finder")
    with pytest.raises(FileNotFoundError, match="none.onnx: no such file"):
        given.stated("arcface")
    assert dataclasses.replace(given, random=True).lacking("scrfd") == ""
    finder, network = Given({}, random=True).face_networks()
    assert finder.find(np.zeros((40, 30, 3), np.uint8)).max() < 30
    assert network.run(np.ones((2, 3, 112, 112), np.float32)).shape == (2, 64)
