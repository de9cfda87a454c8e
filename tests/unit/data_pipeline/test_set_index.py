import dataclasses
import json

import numpy as np
import pytest

from data_pipeline import set_index
from data_pipeline.feature_sets import FeatureSet
from data_pipeline.prepared_clips import Item
from data_pipeline.set_index import Split

ITEMS = [Item("a", 40, "s", "d1", "/somewhere/a.npz"), Item("b", 33, "", "d2", "/somewhere/b.npz")]
MUSIC = FeatureSet("mine2", "3", (0.0, 1.0), (1.0, 2.0))


def _write(folder, items=ITEMS, settings=None, features=MUSIC, size=(32, 16)) -> str:
    folder.mkdir()
    splits = {"train": Split.of(items, {"s": 0}), "test": Split.of(items[:1], {"s": 0})}
    set_index.write(folder, splits, settings or {}, features, size)
    return set_index.read(folder).fingerprint


def test_a_fingerprint_changes_with_whatever_a_set_is(tmp_path, monkeypatch):
    first, second = ITEMS
    prints = [
        _write(tmp_path / "1"),
        _write(tmp_path / "2", settings={"seed": 1}),
        _write(tmp_path / "3", [first, second._replace(digest="d3")]),
        _write(tmp_path / "4", [second, first]),
        _write(tmp_path / "5", [first._replace(id="c"), second]),
        _write(tmp_path / "6", [first._replace(frames=41), second]),
        _write(tmp_path / "7", [first._replace(song=""), second]),
        _write(tmp_path / "8", features=dataclasses.replace(MUSIC, version="4")),
        _write(tmp_path / "9", features=None),
        _write(tmp_path / "10", size=(16, 32)),
        _write(tmp_path / "11", ITEMS[:1]),
    ]
    monkeypatch.setattr(set_index, "FORMAT", 3)
    assert len({*prints, _write(tmp_path / "12")}) == 12
    with pytest.raises(ValueError, match="in format 2; this one reads 3"):
        set_index.read(tmp_path / "1")


def test_neither_place_nor_order_of_settings_counts(tmp_path):
    moved = [item._replace(path="/elsewhere") for item in ITEMS]
    once = _write(tmp_path / "a", settings={"seed": 1, "clips": 2})
    assert _write(tmp_path / "b", moved, {"clips": 2, "seed": 1}) == once


@pytest.mark.parametrize("content", ["", "[1, 2]", "{}", '{"format": 2}'])
def test_a_broken_file_is_one_line_that_names_it(tmp_path, content):
    _write(tmp_path / "a")
    (tmp_path / "a" / "xdancer.json").write_text(content)
    with pytest.raises(ValueError, match="a/xdancer.json: not readable .*prepare it again with python -m") as error:
        set_index.read(tmp_path / "a")
    assert "\n" not in str(error.value)


def test_it_states_what_the_set_is(tmp_path):
    _write(tmp_path / "a", settings={"seed": 3})
    about = set_index.read(tmp_path / "a")
    assert about.settings == {"seed": 3} and about.features == MUSIC and about.size == (32, 16)
    known = json.loads((tmp_path / "a" / "xdancer.json").read_text())
    assert set(known) == {"format", "fingerprint", "settings", "music", "size", "pose_run"}


def test_the_index_says_where_each_clip_begins(tmp_path):
    _write(tmp_path / "a")
    split = set_index.read_split(tmp_path / "a", "train")
    assert split.ids.tolist() == ["a", "b"] and split.songs.tolist() == [0, -1] and len(split) == 2
    assert split.first_rows(32).tolist() == [0, 2] and split.first_rows(1).tolist() == [0, 40]
    with pytest.raises(ValueError, match="has no split 'valid'; it has test, train"):
        set_index.read_split(tmp_path / "a", "valid")


@pytest.mark.parametrize("content", [b"", b"PK", None])
def test_a_damaged_index_is_one_line(tmp_path, content):
    _write(tmp_path / "a")
    path = tmp_path / "a" / "index.npz"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(ValueError, match="a/index.npz: the index is damaged or missing"):
        set_index.read_split(tmp_path / "a", "train")


def test_nothing_is_unpickled(tmp_path):
    _write(tmp_path / "a")
    np.savez(tmp_path / "a" / "index.npz", **{f"train.{name}": np.array([{}]) for name in ("ids", "frames")})
    with pytest.raises(ValueError, match="the index is damaged"):
        set_index.read_split(tmp_path / "a", "train")
