import json
import os
import pickle
import re
import shutil
import subprocess
import sys
from pathlib import Path

import chex
import numpy as np
import pytest

from data_pipeline import clip_views, data_set, image_files, loaders, prepared_clips, set_index, sources, toy
from data_pipeline.feature_sets import FeatureSet
from data_pipeline.pose_files import save_poses
from data_pipeline.preparation import clip_files, toys
from data_pipeline.prepared_clips import Item
from tests import data_sets

FIELDS = ("poses", "music", "beats", "audio", "audio_rate", "frames", "song", "dancer", "style", "fps", "provenance")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """45 frames: a run of poses and a part of one."""
    root = tmp_path_factory.mktemp("data")
    data_sets.toy(root, frames=45)
    return str(root)


def _records(data_dir, split, fields):
    clips = sources.from_directory(data_dir, split, fields)
    return {clips[i].id: clip_views.record(clips[i], fields) for i in range(len(clips))}


def test_records_on_disk_are_the_clips(data_dir):
    found = _records(data_dir, "train", FIELDS)
    assert len(found) == 3
    for index in range(3):
        clip = toy.make_clip(3, index, "train", 45, 32, 16)
        record = found[clip["id"]]
        for name in ("poses", "audio", "audio_rate", "song", "dancer", "style", "fps"):
            np.testing.assert_array_equal(record[name], clip[name])
        pictures = [image_files.encode_jpeg(picture) for picture in clip["frames"]]
        assert record["frames"] == pictures and record["music"].shape == (45, 35)
        assert json.loads(record["provenance"]) == {"source": "toy", "seed": 3}
    (other,) = _records(data_dir, "test", ("song", "dancer")).values()
    assert other["song"] not in {r["song"] for r in found.values()}
    assert other["dancer"] not in {r["dancer"] for r in found.values()}


@pytest.mark.parametrize("part", [(0, 45), (0, 1), (31, 33), (32, 45), (44, 45), (10, 20)])
def test_a_part_of_a_clip_is_that_part(data_dir, part):
    clip = sources.from_directory(data_dir, "train", ("poses",))[1]
    whole = clip.poses(0, clip.frames)
    np.testing.assert_array_equal(clip.poses(*part), whole[slice(*part)])


def test_loaders_read_it(data_dir):
    wanted = ("frames", "pose_images")
    batch = next(loaders.video(data_dir, "train", 2, num_frames=4, height=32, width=16, fields=wanted))
    assert batch["frames"].shape == (2, 4, 32, 16, 3) and batch["pose_images"].any()
    batch = next(loaders.motion(data_dir, "test", 1, previous=8, length=8))
    assert batch["music"].any()


def test_complete_data_is_left_alone(data_dir, monkeypatch):
    monkeypatch.setattr(toys.toy, "make_clip", None)
    before = os.stat(sources.find(data_dir)).st_mtime_ns
    data_sets.toy(data_dir, frames=45)
    assert os.stat(sources.find(data_dir)).st_mtime_ns == before


def test_another_set_is_not_written_over_one(data_dir, tmp_path):
    data_dir = shutil.copytree(data_dir, tmp_path / "data")
    with pytest.raises(ValueError, match="toy: another data set lies there, of other clips or settings; give another"):
        data_sets.toy(data_dir, frames=46)
    assert len(sources.from_directory(str(data_dir), "train", ("poses",))) == 3


def test_nothing_but_the_set_and_its_report_is_left(data_dir):
    assert {path.name for path in Path(data_dir).iterdir()} == {"toy", "toy.report"}
    assert {path.name for path in Path(data_dir, "toy").iterdir()} == {
        "clips", "poses", "pictures", "songs", "index.npz", "xdancer.json",
    }


def _small(root, **change):
    """A set with one clip a split, built without librosa, whose features other tests look at."""
    return data_sets.toy(root, train_clips=1, **change)


@pytest.fixture
def plain_music(monkeypatch):
    monkeypatch.setattr(
        clip_files, "heard", lambda name, audio, rate, frames: {
            "music": np.zeros((frames, 35), np.float32), "beats": np.zeros(0, np.int32),
        }
    )


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
    real = set_index.write

    def interrupted(*arguments):
        real(*arguments)
        raise KeyboardInterrupt

    monkeypatch.setattr(data_set.set_index, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        _small(tmp_path)
    with pytest.raises(FileNotFoundError, match="no data set here; prepare one with python -m launch.prepare --config"):
        sources.fingerprint(str(tmp_path))
    monkeypatch.undo()
    assert sources.fingerprint(_small(tmp_path))


def test_a_set_of_another_version_is_refused_and_not_built_over(tmp_path, plain_music):
    folder = Path(_small(tmp_path))
    known = folder / "xdancer.json"
    known.write_text(json.dumps({**json.loads(known.read_text()), "format": 99}))
    calls = (
        lambda: sources.from_directory(str(tmp_path), "train", ("poses",)),
        lambda: loaders.tokenizer(str(tmp_path), "train", 1, length=8),
        lambda: sources.fingerprint(str(tmp_path)),
        lambda: _small(tmp_path),
    )
    wrong = "in format 99; this one reads 2; move the folder away"
    for call in calls:
        with pytest.raises(ValueError, match=f"{folder}: a data set prepared by another version, {wrong}") as error:
            call()
        assert "\n" not in str(error.value)
    known.unlink()
    with pytest.raises(FileNotFoundError, match="no data set here"):
        calls[0]()
    with pytest.raises(ValueError, match="without xdancer.json; move the folder"):
        calls[-1]()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("poses/1.0.0/dataset_info.json", b"{", "line 1 column 2"),
        ("poses/1.0.0/features.json", b"{", "line 1 column 2"),
    ],
)
def test_a_damaged_set_is_one_line_that_names_it(data_dir, tmp_path, file, content, message):
    shutil.copytree(sources.find(data_dir), tmp_path / "set")
    (path,) = (tmp_path / "set").glob(file)
    path.unlink() if content is None else path.write_bytes(content)
    told = f"{tmp_path}/set/poses.*: the data set is damaged .*{message}.* again"
    with pytest.raises(ValueError, match=told) as error:
        sources.from_directory(str(tmp_path), "train", ("poses",))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("content", "message"), [(b"", "64KB"), (None, "No such file"), (b"x" * 70000, "")])
def test_a_damaged_file_is_named_with_the_clip(data_dir, tmp_path, content, message):
    shutil.copytree(sources.find(data_dir), tmp_path / "set")
    (path,) = (tmp_path / "set" / "poses").rglob("*-train.array_record-*")
    path.unlink() if content is None else path.write_bytes(content)
    clip = sources.from_directory(str(tmp_path), "train", ("poses",))[1]
    with pytest.raises(ValueError, match=f"record {clip.id}: damaged in {path}, its record 2 .*{message}") as error:
        clip.poses(0, 1)
    assert "\n" not in str(error.value)


def test_an_interrupted_build_leaves_no_data_set_and_goes_on(tmp_path, plain_music, monkeypatch):
    real, calls = toys.toy.make_clip, []

    def interrupted(seed, index, split, *size, **options):
        calls.append((split, index))
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(seed, index, split, *size, **options)

    monkeypatch.setattr(toys.toy, "make_clip", interrupted)
    with pytest.raises(KeyboardInterrupt):
        data_sets.toy(tmp_path)
    with pytest.raises(FileNotFoundError, match="no data set here"):
        sources.find(str(tmp_path))
    data_sets.toy(tmp_path)
    assert calls == [("train", 0), ("train", 1), ("train", 1), ("train", 2), ("test", 0)]
    assert len(sources.from_directory(str(tmp_path), "train", ("poses",))) == 3


def test_a_full_disk_is_named_and_leaves_no_data_set(tmp_path, full_disk):
    with pytest.raises(OSError, match=f"{tmp_path}/cache: no room for finished clips .*make some"):
        data_sets.toy(tmp_path)
    with pytest.raises(FileNotFoundError, match="no data set here"):
        sources.find(str(tmp_path))


def test_a_wrong_split_or_folder_is_named(data_dir, tmp_path):
    with pytest.raises(ValueError, match="no split 'valid'; it has test, train"):
        sources.from_directory(data_dir, "valid", ("poses",))
    for name in "ab":
        (tmp_path / name).mkdir()
        (tmp_path / name / "xdancer.json").touch()
    with pytest.raises(ValueError, match="holds 2 data sets; name one"):
        sources.find(str(tmp_path))


def test_parts_keep_what_they_parsed_within_their_budget(data_dir):
    clips = sources.from_directory(data_dir, "train", ("poses",))
    assert set(clips.parts) == {"poses"}
    first = clips[0].poses(0, 32)
    assert first.base is clips[0].poses(0, 32).base and clips.parts["poses"].bytes_read == first.nbytes
    small = sources.from_directory(data_dir, "train", ("poses",), cache_bytes=first.nbytes + 200)
    small[0].poses(0, 32), small[0].poses(0, 32)
    assert small.parts["poses"].bytes_read == first.nbytes
    small[1].poses(0, 32), small[0].poses(0, 32)
    assert small.parts["poses"].bytes_read == 3 * first.nbytes


def test_other_processes_get_the_files_and_not_what_is_kept(data_dir):
    clips = sources.from_directory(data_dir, "train", ("poses", "frames"))
    before = clips[2].poses(0, 45)
    content = pickle.dumps(clips)
    assert len(content) < 1000
    np.testing.assert_array_equal(pickle.loads(content)[2].poses(0, 45), before)


def test_what_a_set_does_not_have_is_named(tmp_path):
    poses = np.random.default_rng(0).uniform((120, 40, 1), (200, 200, 1), size=(80, 60, 3))
    save_poses(tmp_path / "a.npz", poses, 30, 240, 320)
    folder = data_sets.poses(tmp_path / "data", [tmp_path / "a.npz"])
    with pytest.raises(ValueError, match="poses: the data set has no music, which this"):
        next(loaders.motion(folder, "train", 1, previous=8, length=8))
    with pytest.raises(ValueError, match="poses: the data set has no frames, which this needs"):
        next(loaders.frames(folder, "train", 1, height=8, width=8))
    assert sources.features(folder) is None


def test_building_and_loading_import_no_tensorflow_and_no_jax():
    code = "import sys; from data_pipeline import data_set, loaders, pose_formats\n"
    code += "assert not {'jax', 'tensorflow', 'torch'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_choreography_is_another_set(tmp_path, plain_music):
    folder = data_sets.toy(tmp_path, train_clips=1, choreography=True)
    (record,) = _records(folder, "train", ("poses", "song")).values()
    clip = toy.make_clip(3, 0, "train", 30, 32, 16, choreography=True)
    np.testing.assert_array_equal(record["poses"], clip["poses"])
    assert record["song"] == clip["song"] == "toy-choreography-3-train-00000-song"


def test_a_song_lies_there_once_for_all_its_clips(tmp_path):
    sound = tmp_path / "song.npz"
    audio = np.arange(1000, dtype=np.int16)
    songs = [Item("s", 0, "", prepared_clips.write(sound, {"id": "s", "audio": audio, "audio_rate": 8000}), str(sound))]
    splits = {split: [_item(tmp_path, f"{split}-{i}") for i in range(2)] for split in ("train", "test")}
    folder = data_set.write(
        str(tmp_path / "set"), splits, songs, settings={}, features=FeatureSet("none2"), size=None
    )
    for split in splits:
        clips = sources.from_directory(folder, split, ("audio", "song_start"))
        assert all((clips[i].value("audio") == audio).all() and clips[i].value("song_start") == 2.5 for i in range(2))
        assert len(clips.parts["songs"]) == 1


def _item(folder, name, frames=40) -> Item:
    record = {
        "id": name, "song_start": 2.5, "poses": np.zeros((frames, 60, 3), np.float32),
        "music": np.zeros((frames, 2), np.float32), "beats": np.zeros(0, np.int32), "provenance": {},
    }
    path = folder / f"{name}.npz"
    return Item(name, frames, "s", prepared_clips.write(path, record), str(path))


def test_shards_do_not_change_the_records(tmp_path, monkeypatch):
    splits = {split: [_item(tmp_path, f"{split}-{i}", 40 + i) for i in range(7)] for split in ("train", "test")}
    known = {"settings": {}, "features": FeatureSet("none2"), "size": None}
    folders = [data_set.write(str(tmp_path / "one"), splits, [], **known)]
    monkeypatch.setattr(data_set, "_SHARD_BYTES", 2 * 40 * 720)
    folders.append(data_set.write(str(tmp_path / "many"), splits, [], **known))
    assert len(list(Path(folders[1], "poses").rglob("*train.array_record*"))) > 2
    sets = [_records(folder, "train", ("poses", "music")) for folder in folders]
    for other in sets[1:]:
        assert list(other) == list(sets[0])
        chex.assert_trees_all_equal(other, sets[0])
    assert len({sources.fingerprint(folder) for folder in folders}) == 1


def test_clips_without_their_pictures_are_named(tmp_path):
    item = _item(tmp_path, "a")
    prepared_clips.write(item.path, {**prepared_clips.read(item.path, ("poses",)), "frames": [b"x"] * 39})
    with pytest.raises(ValueError, match="record a: 39 pictures beside 40 poses"):
        data_set.write(
            str(tmp_path / "set"), {"train": [item]}, [], settings={}, features=None, size=(8, 8)
        )
    assert not (tmp_path / "set").exists() and not (tmp_path / "incomplete.set").exists()
