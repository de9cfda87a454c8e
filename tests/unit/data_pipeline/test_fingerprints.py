import json

import pytest

from data_pipeline import fingerprints

SHARDS = {"toy-train.array_record-00000-of-00002": b"one", "toy-train.array_record-00001-of-00002": b"two"}


def _print(folder, shards=SHARDS, **settings) -> str:
    folder.mkdir()
    for name, content in shards.items():
        (folder / name).write_bytes(content)
    (folder / "dataset_info.json").write_text(str(folder))  # holds the date: does not count
    fingerprints.write(folder, settings)
    return fingerprints.read(folder)


def test_a_fingerprint_changes_with_whatever_a_set_is(tmp_path, monkeypatch):
    first, second = SHARDS
    prints = [
        _print(tmp_path / "1"),
        _print(tmp_path / "2", seed=1),
        _print(tmp_path / "3", {**SHARDS, second: b"twp"}),
        _print(tmp_path / "4", {first: b"two", second: b"one"}),
        _print(tmp_path / "5", {first: b"onet", second: b"wo"}),
        _print(tmp_path / "6", {first: b"one", second.replace("train", "test"): b"two"}),
    ]
    monkeypatch.setattr(fingerprints, "FORMAT", 2)
    assert len({*prints, _print(tmp_path / "7")}) == 7
    with pytest.raises(ValueError, match="in format 1; this one reads 2"):
        fingerprints.read(tmp_path / "1")


def test_neither_place_nor_order_of_writing_nor_block_size_counts(tmp_path, monkeypatch):
    once = _print(tmp_path / "a", seed=1, clips=2)
    monkeypatch.setattr(fingerprints, "_BLOCK", 2)
    assert _print(tmp_path / "b", dict(reversed(SHARDS.items())), clips=2, seed=1) == once


@pytest.mark.parametrize("content", ["", "[1, 2]", "{}", '{"format": 1}'])
def test_a_broken_file_is_one_line_that_names_it(tmp_path, content):
    _print(tmp_path / "a")
    (tmp_path / "a" / "xdancer.json").write_text(content)
    with pytest.raises(ValueError, match="a/xdancer.json: not readable .*prepare it again with python -m") as error:
        fingerprints.read(tmp_path / "a")
    assert "\n" not in str(error.value)


def test_it_states_the_settings(tmp_path):
    digest = _print(tmp_path / "a", seed=3)
    known = json.loads((tmp_path / "a" / "xdancer.json").read_text())
    assert known == {"format": fingerprints.FORMAT, "fingerprint": digest, "settings": {"seed": 3}}
