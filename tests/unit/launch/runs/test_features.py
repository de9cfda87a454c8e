"""Which music features a run is trained on, and who may use it with which."""

import dataclasses
import json

import pytest

from configs import motion, tokenizer
from data_pipeline import music
from data_pipeline.feature_sets import FeatureSet
from launch.runs import features, loading, resolve
from tests import untrained_run

OURS = music.find("librosa35")


@pytest.fixture
def stated(monkeypatch):
    """Folder -> feature set of the data set there, to be filled; what is not named has OURS."""
    known = {}
    monkeypatch.setattr(features, "_stated", lambda folder: known.get(folder, OURS))
    return known


def _config(**data):
    config = motion.get_config("tiny")
    config.data.update({"dir": "set", **data})
    return config


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    config = motion.get_config("tiny")
    config.model.update(width=16, num_heads=2, segment_frames=8)
    config.data.previous = 8
    config.parts.tokenizer.source = f"run:{untrained_run.write(folder / 'tokenizer', tokenizer.get_config('tiny'), 0)}"
    return untrained_run.write(folder / "motion", config, 1)


def test_music_json_comes_back_as_it_was_and_is_written_whole(tmp_path):
    made = FeatureSet("mine3", "7", (0.1, 2.0, -3.5), (1.0, 1e-3, 4.0))
    features.write(tmp_path / "new", made)
    assert features.read(tmp_path / "new") == made
    features.write(tmp_path / "new", OURS)
    assert features.read(tmp_path / "new") == OURS
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["music.json"]
    assert json.loads((tmp_path / "new" / "music.json").read_text())["name"] == "librosa35"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": "librosa35"}', "null", '{"name": "x", "version": "1"}'])
def test_a_damaged_file_is_one_line(tmp_path, content):
    (tmp_path / "music.json").write_text(content)
    with pytest.raises(ValueError, match=r"music\.json: damaged \(.*\); restore it or train the run anew") as error:
        features.read(tmp_path)
    assert "\n" not in str(error.value)


def test_a_run_without_the_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"music\.json: not found; .* train it anew"):
        features.read(tmp_path)


def test_a_stage_without_music_has_no_features(tmp_path):
    assert features.check(tokenizer.get_config("tiny"), tmp_path, 5) is None
    assert features.of_data(_config(dir="")) is None  # whoever opens the data set says that none is named


def test_the_data_set_must_have_the_features_that_the_config_names(stated):
    assert features.of_data(_config()) == OURS
    stated["set"] = FeatureSet("jukebox4800")
    with pytest.raises(ValueError, match="data.music='librosa35': the data set set has jukebox4800; .*music=jukebox48"):
        features.of_data(_config())
    assert features.of_data(_config(music="jukebox4800")) == stated["set"]
    with pytest.raises(ValueError, match=r"config\.data\.music: feature set 'librosa': a name ends in its width"):
        resolve.check(_config(music="librosa"))


def test_a_data_set_mixed_in_must_have_the_same(stated):
    stated["more"] = dataclasses.replace(OURS, version="0")
    with pytest.raises(ValueError, match="^more: music features librosa35 version 0; .* version 1 "):
        features.of_data(_config(replay_dir="more"))


def test_a_run_goes_on_with_its_own_features_alone(stated, run):
    assert features.check(_config(), run, 5) == OURS
    stated["set"] = dataclasses.replace(OURS, version="2")
    config = _config()
    config.parts.tokenizer.source = "run:elsewhere"
    assert features.check(config, run, 0) == stated["set"]  # begun anew
    with pytest.raises(ValueError, match="^set: music features librosa35 version 2; .* differ in version"):
        features.check(config, run, 5)


def test_a_run_that_starts_from_another_has_that_ones_features(stated, run):
    config = motion.get_config("tiny_finetune")
    config.data.dir, config.start = "set", run
    assert features.check(config, "new", 0) == OURS
    stated["set"] = dataclasses.replace(OURS, offset=(), scale=())
    with pytest.raises(ValueError, match=r"^set: music .* \(they differ in offset, scale\)"):
        features.check(config, "new", 0)


def test_a_loaded_run_knows_its_features_and_refuses_other_data(stated, run):
    found = loading.load(run)
    assert found.features == OURS
    features.check_data(found.features, "set")
    features.check_data(None, "set")
    stated["set"] = FeatureSet("mine35")
    with pytest.raises(ValueError, match="^set: music features mine35 version 1; the model was trained on librosa35"):
        features.check_data(found.features, "set")
