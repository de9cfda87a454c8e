"""Which models made a clip: their content is in its record and in what the cache knows it by, their place is not."""

import hashlib
import importlib.util
import json
from pathlib import Path

import pytest

from data_pipeline import image_quality, pose_estimation, pose_weights, rtm_estimation, sources
from data_pipeline.preparation import estimators, videos
from tests import footage


class Scorer:
    """Finds every picture good."""

    name = "onnx"

    def __init__(self, path):
        self.version = hashlib.sha256(Path(path).read_bytes()).hexdigest()[:16]

    def __call__(self, picture):
        return 77.0


class Estimator(footage.Estimator):
    """Of two files."""

    name = "rtm"

    def __init__(self, model, detector):
        self.version = ", ".join(hashlib.sha256(Path(p).read_bytes()).hexdigest()[:12] for p in (detector, model))


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    """Folders of models: "a"; "b" of the same content; of each further one a file is another."""
    monkeypatch.setattr(image_quality, "OnnxQuality", Scorer)
    monkeypatch.setattr(rtm_estimation, "RtmEstimator", Estimator)
    files = {
        "a": "123", "b": "123", "quality": "129", "model": "193", "detector": "923",
    }
    for folder, contents in files.items():
        (tmp_path / folder).mkdir()
        for name, content in zip(("detector", "model", "quality"), contents, strict=True):
            (tmp_path / folder / f"{name}.onnx").write_text(content)
    made_once = estimators.estimator, estimators.scorer
    for function in made_once:
        function.cache_clear()
    yield
    for function in made_once:
        function.cache_clear()


def _prepared(folder: Path, models: str, cache: str = "cache") -> tuple[str, dict]:
    """Fingerprint and provenance of a set that these models made."""
    if not (folder / "a.mp4").exists():
        footage.write(folder / "a.mp4", 16)
        footage.write(folder / "b.mp4", 16, shift=8)
    where = folder / models
    made = footage.prepare(
        folder / f"by_{models}", footage.table(folder, "a.mp4,train,", "b.mp4,test,"), music="none",
        cache=str(folder / cache), quality_model=str(where / "quality.onnx"), **{
            "estimator.name": "rtm", "estimator.model": str(where / "model.onnx"),
            "estimator.detector": str(where / "detector.onnx"),
        },
    )
    clip = sources.from_directory(made, "train", ("poses", "provenance"))[0]
    return sources.fingerprint(made), json.loads(clip.value("provenance"))


def test_a_record_and_the_cache_know_the_models_by_content(tmp_path, monkeypatch):
    looked = []
    real = videos.looking.look
    monkeypatch.setattr(videos.looking, "look", lambda path, *rest: looked.append(Path(path).name) or real(path, *rest))
    first, known = _prepared(tmp_path, "a")
    one, two, three = (hashlib.sha256(digit).hexdigest() for digit in (b"1", b"2", b"3"))
    assert known["estimator"] == {"name": "rtm", "version": f"{one[:12]}, {two[:12]}"}
    assert known["quality"] == {"name": "onnx", "version": three[:16]} and known["scores"]["quality"] == 77
    assert len(looked) == 2
    assert _prepared(tmp_path, "b") == (first, known) and len(looked) == 2  # elsewhere, and the same
    found = {first}
    for number, other in enumerate(("quality", "model", "detector"), 1):
        fingerprint, told = _prepared(tmp_path, other)
        found.add(fingerprint)
        assert told != known and len(looked) == 2 + 2 * number
    assert len(found) == 4


def test_without_a_scorer_a_record_says_so(tmp_path, monkeypatch):
    footage.plant(monkeypatch)
    footage.write(tmp_path / "a.mp4", 16)
    footage.write(tmp_path / "b.mp4", 16, shift=8)
    made = footage.prepare(tmp_path, footage.table(tmp_path, "a.mp4,train,", "b.mp4,test,"), music="none")
    known = json.loads(sources.from_directory(made, "train", ("poses", "provenance"))[0].value("provenance"))
    assert known["quality"] is None and known["estimator"] == {"name": "planted", "version": "1"}


def test_a_worker_with_other_models_fails_its_jobs(tmp_path):
    models = {"estimator": {"name": "rtm", "model": str(tmp_path / "a/model.onnx"),
                            "detector": str(tmp_path / "a/detector.onnx")}, "quality": ""}  # fmt: skip
    (tmp_path / "a.mp4").touch()
    settings = {"estimator": {"name": "rtm", "version": "another"}, "quality": None}
    with pytest.raises(ValueError, match="estimator: .* on this machine, .*another.* give all machines the same files"):
        videos.make(videos.Job("a", str(tmp_path / "a.mp4"), {}, settings, None, models), tmp_path)


def test_names_and_paths_make_the_estimator_once(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(rtm_estimation, "RtmEstimator", lambda *given: made.append(given) or object())
    monkeypatch.setattr(pose_estimation, "MediaPipeEstimator", lambda *given: made.append(given) or object())
    monkeypatch.setattr(pose_weights, "find_weights", lambda folder: (folder, "hand"))
    for _ in range(2):
        estimators.estimator("rtm", model="m", detector="d")
        estimators.estimator("rtm", model="m")
        estimators.estimator("mediapipe", "w")
        estimators.estimator("mediapipe")
    assert made == [("m", "d"), ("m", None), ("w", "hand"), (None, "hand")]
    assert estimators.scorer("") is None


@pytest.mark.skipif(importlib.util.find_spec("rtmlib") is None, reason="needs the extra rtm")
def test_a_file_that_is_no_model_is_a_line(tmp_path, monkeypatch):
    monkeypatch.undo()
    (tmp_path / "rtm.onnx").write_bytes(b"hello")
    with pytest.raises(ValueError, match=r"rtm\.onnx: no ONNX model that runs here"):
        estimators.estimator("rtm", model=str(tmp_path / "rtm.onnx"))
