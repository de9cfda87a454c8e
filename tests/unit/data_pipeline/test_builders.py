import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from data_pipeline import builders, fingerprints, loaders, sources, toy

CONFIG = builders.ToyConfig(seed=3, train_clips=3, test_clips=1, frames=30, height=32, width=16)


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    builders.prepare(str(root), CONFIG, workers=0)
    return str(root)


def test_records_on_disk_are_the_clips(data_dir):
    source = sources.from_directory(data_dir, "train", ("poses", "music", "audio", "frames", "song", "dancer"))
    clip = toy.make_clip(3, 0, "train", 30, 32, 16)
    found = {source[i]["id"]: source[i] for i in range(len(source))}
    record = found[clip["id"]]
    assert len(found) == 3
    np.testing.assert_array_equal(record["poses"], clip["poses"])
    np.testing.assert_array_equal(record["audio"], clip["audio"])
    assert record["music"].shape == (30, 35) and len(record["frames"]) == 30
    other = sources.from_directory(data_dir, "test", ("song", "dancer"))[0]
    assert other["song"] not in {r["song"] for r in found.values()}
    assert other["dancer"] not in {r["dancer"] for r in found.values()}


def test_loaders_read_it(data_dir):
    wanted = ("frames", "pose_images")
    batch = next(loaders.video(data_dir, "train", 2, num_frames=4, height=32, width=16, fields=wanted))
    assert batch["frames"].shape == (2, 4, 32, 16, 3) and batch["pose_images"].any()
    batch = next(loaders.motion(data_dir, "test", 1, previous=8, length=8))
    assert batch["music"].any()


def test_complete_data_is_left_alone(data_dir, monkeypatch):
    monkeypatch.setattr(builders, "make_example", None)
    before = os.stat(sources.find(data_dir)).st_mtime_ns
    builders.prepare(data_dir, CONFIG, workers=0)
    assert os.stat(sources.find(data_dir)).st_mtime_ns == before


def _small(root, **change):
    """A set with one clip a split, built without librosa, whose features other tests look at."""
    return builders.prepare(str(root), dataclasses.replace(CONFIG, train_clips=1, **change), workers=0)


@pytest.fixture
def plain_music(monkeypatch):
    monkeypatch.setattr(builders.music, "extract", lambda name, audio, rate, frames: np.zeros((frames, 35), np.float32))


def test_a_fingerprint_is_of_content_and_settings_not_of_the_place(tmp_path, plain_music):
    first = sources.fingerprint(_small(tmp_path / "a"))
    assert re.fullmatch("[0-9a-f]{64}", first)
    assert sources.fingerprint(_small(tmp_path / "b")) == first
    shutil.copytree(sources.find(str(tmp_path / "a")), tmp_path / "renamed")
    shutil.rmtree(tmp_path / "a")
    assert sources.fingerprint(str(tmp_path / "renamed")) == first
    assert len(sources.from_directory(str(tmp_path / "renamed"), "train", ("poses",))) == 1
    assert sources.fingerprint(_small(tmp_path / "c", seed=4)) != first


def test_an_interruption_at_the_last_moment_leaves_no_data_set(tmp_path, plain_music, monkeypatch):
    real = fingerprints.write

    def interrupted(folder, settings):
        real(folder, settings)
        raise KeyboardInterrupt

    monkeypatch.setattr(fingerprints, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _small(tmp_path)
    with pytest.raises(FileNotFoundError, match="no data set here; prepare one with python -m launch.prepare --data"):
        sources.fingerprint(str(tmp_path))
    monkeypatch.undo()
    assert sources.fingerprint(_small(tmp_path))


def test_a_set_of_another_version_is_refused_and_not_built_over(tmp_path, plain_music):
    folder = Path(_small(tmp_path))
    known = folder / "xdancer.json"
    assert set(json.loads(known.read_text())) == {"format", "fingerprint", "settings"}
    known.write_text(json.dumps({**json.loads(known.read_text()), "format": 99}))
    calls = (
        lambda: sources.from_directory(str(tmp_path), "train", ("poses",)),
        lambda: loaders.tokenizer(str(tmp_path), "train", 1, length=8),
        lambda: sources.fingerprint(str(tmp_path)),
        lambda: _small(tmp_path),
    )
    for wrong in ("in format 99; this one reads 1; move the folder away", "without xdancer.json; move the folder"):
        for call in calls:
            with pytest.raises(ValueError, match=f"{folder}: a data set prepared by another version.*{wrong}") as error:
                call()
            assert "\n" not in str(error.value)
        known.unlink(missing_ok=True)


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("dataset_info.json", b"{", "line 1 column 2"),
        ("features.json", b"{", "line 1 column 2"),
        ("*-train.array_record-*", b"", "64KB"),
        ("*-train.array_record-*", None, "No such file"),
    ],
)
def test_a_damaged_set_is_one_line_that_names_it(data_dir, tmp_path, file, content, message):
    shutil.copytree(sources.find(data_dir), tmp_path / "set")
    (path,) = (tmp_path / "set").glob(file)
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ValueError, match=f"{tmp_path}/set: the data set is damaged .*{message}.* again") as error:
        sources.from_directory(str(tmp_path), "train", ("poses",))[0]
    assert "\n" not in str(error.value)


def test_an_interrupted_build_leaves_no_data_set(tmp_path, monkeypatch):
    real = builders.make_example

    def interrupted(config, split, index):
        if index == 1:
            raise KeyboardInterrupt
        return real(config, split, index)

    monkeypatch.setattr(builders, "make_example", interrupted)
    with pytest.raises(KeyboardInterrupt):
        builders.prepare(str(tmp_path), CONFIG, workers=0)
    with pytest.raises(FileNotFoundError, match="no data set here"):
        sources.find(str(tmp_path))


def test_a_full_disk_is_named_and_leaves_no_data_set(tmp_path, full_disk):
    with pytest.raises(OSError, match=f"{tmp_path}.*could not be written, nothing is left of it"):
        builders.prepare(str(tmp_path), CONFIG, workers=0)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_a_wrong_split_or_folder_is_named(data_dir, tmp_path):
    with pytest.raises(ValueError, match="no split 'valid'; it has test, train"):
        sources.from_directory(data_dir, "valid", ("poses",))
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "dataset_info.json").touch()
    with pytest.raises(ValueError, match="holds 2 data sets; name one"):
        sources.find(str(tmp_path))


def test_a_source_keeps_what_it_parsed_within_its_budget(data_dir):
    source = sources.from_directory(data_dir, "train", ("poses",))
    assert source[0] is source[0] and set(source[0]) == {"id", "fps", "poses"}
    small = sources.from_directory(data_dir, "train", ("poses",), cache_bytes=source[0]["poses"].nbytes + 200)
    first = small[0]
    assert small[0] is first
    assert small[1] is small[1] and small[0] is not first


def test_building_and_loading_import_no_tensorflow_and_no_jax():
    code = "import sys; from data_pipeline import builders, loaders, pose_formats\n"
    code += "assert not {'jax', 'tensorflow', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_choreography_is_a_set_of_its_own(tmp_path):
    one = dataclasses.replace(CONFIG, train_clips=1, choreography=True)
    assert one.name == "choreography_seed3_clips1-1_frames30_32x16"
    folder = builders.prepare(str(tmp_path), one, workers=0)
    record = sources.from_directory(folder, "train", ("poses", "song"))[0]
    clip = toy.make_clip(3, 0, "train", 30, 32, 16, choreography=True)
    np.testing.assert_array_equal(record["poses"], clip["poses"])
    assert record["song"] == clip["song"] == "toy-choreography-3-train-00000-song"


def test_the_default_size_can_be_built(tmp_path):
    # tfds refuses a config whose name the class lists itself
    builder = builders.ToyDance(data_dir=str(tmp_path), config=builders.ToyConfig())
    assert builder.builder_config.train_clips == 64
