"""A set of videos is the same, record by record, whoever prepares it and in whatever order its files come."""

import importlib.util
import os

import numpy as np
import pytest

from data_pipeline import clip_views, sources
from data_pipeline.preparation import running, videos
from tests import footage

FIELDS = ("poses", "music", "beats", "frames", "audio", "audio_rate", "song", "dancer", "song_start", "provenance")
FILES = ("eins.mp4", "zwei.mp4", "drei.mp4", "bad.mp4")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two videos of one sound, one of another in three parts, of which the last is too short, and one that is none."""
    folder = tmp_path_factory.mktemp("footage")
    for number, name in enumerate(FILES[:-1]):
        footage.write(folder / name, 70 if number == 2 else 30, shift=8 * number, seed=max(1, number))
    (folder / FILES[-1]).write_text("no video")
    return folder


def _prepared(folder, where, names=FILES, **fields):
    """Records of both splits in order, what was dropped, and the fingerprint."""
    where.mkdir()
    (where / "list.txt").write_text("".join(f"{folder / name}\n" for name in names))
    made = footage.prepare(where, where / "list.txt", **{"spans.seconds": 2.0, **fields})
    found = []
    for split in ("train", "test"):
        clips = sources.from_directory(made, split, FIELDS)
        found += [(split, clips[i].id, clip_views.record(clips[i], FIELDS)) for i in range(len(clips))]
    return found, footage.rejects(where), sources.fingerprint(made)


def _check_same(one, two):
    assert [row[:2] for row in one[0]] == [row[:2] for row in two[0]] and len(one[0]) == 4
    for (_, name, first), (_, _, second) in zip(one[0], two[0], strict=True):
        assert first.keys() == second.keys()
        for field in FIELDS:
            np.testing.assert_array_equal(first[field], second[field], err_msg=f"{name} {field}")
    assert one[1:] == two[1:] and set(one[1]) == {"bad", "drei-0002"}


@pytest.fixture(scope="module")
def one(folder, tmp_path_factory):
    """By one process."""
    with pytest.MonkeyPatch.context() as patch:
        footage.plant(patch)
        return _prepared(folder, tmp_path_factory.mktemp("one") / "set")


def test_the_order_of_the_files_does_not_matter(folder, one, tmp_path, monkeypatch):
    footage.plant(monkeypatch)
    _check_same(one, _prepared(folder, tmp_path / "two", FILES[::-1]))


@pytest.mark.skipif(importlib.util.find_spec("apache_beam") is None, reason="needs the extra beam")
def test_two_workers_make_what_one_process_makes(folder, one, tmp_path, monkeypatch):
    footage.plant(monkeypatch)
    real, used = running._by_beam, []
    monkeypatch.setattr(running, "_by_beam", lambda jobs, *rest: used.append(len(jobs)) or real(jobs, *rest))
    monkeypatch.setattr(videos, "make", footage.make)
    monkeypatch.setenv("PYTHONPATH", os.getcwd())  # of the workers, which find the tests there
    _check_same(one, _prepared(folder, tmp_path / "two", workers=2))
    assert used == [len(FILES)]
