import itertools
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
from absl import flags

from data_pipeline import loaders, sources
from data_pipeline.record_files import DamagedError
from tests import data_sets

CLIPS = 6


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()  # Grain's workers ask for a flag of its own
    return data_sets.toy(tmp_path_factory.mktemp("data"), train_clips=CLIPS)


@pytest.fixture
def damaged(whole, tmp_path):
    """(the set with other bytes in the middle of its poses, names of the clips that do not read)."""
    folder = str(shutil.copytree(sources.find(whole), tmp_path / "set"))
    (file,) = Path(folder, "poses").rglob("*-train.array_record-*")
    content = bytearray(file.read_bytes())
    filled = np.flatnonzero(np.frombuffer(content, np.uint8))
    middle = int(filled[len(filled) // 2])
    content[middle : middle + 8] = bytes(byte ^ 255 for byte in content[middle : middle + 8])
    file.write_bytes(content)
    lost = []
    for clip in map(sources.from_directory(folder, "train", ("poses",)).__getitem__, range(CLIPS)):
        try:
            clip.poses(0, 8)
        except DamagedError:
            lost.append(clip.id)
    assert len(lost) == 1
    return folder, lost


def _take(data, count=6, **order):
    return list(itertools.islice(loaders.tokenizer(data, "train", 4, seed=3, length=8, **order), count))


def _assert_same(a, b):
    assert [set(batch) for batch in a] == [set(batch) for batch in b] == [{"poses"}] * len(a)
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x["poses"], y["poses"])


def test_a_damaged_record_stops_and_is_named(damaged):
    folder, (lost,) = damaged
    with pytest.raises(ValueError, match=rf"record {lost}: damaged in {folder}.*array_record.*, its record \d"):
        _take(folder)


def test_or_another_clip_takes_its_place_and_a_warning_counts(damaged, whole, caplog):
    folder, (lost,) = damaged
    with caplog.at_level(logging.WARNING):
        found = _take(folder, corrupt="skip")
    before = _take(whole, corrupt="skip")
    _assert_same(before, _take(whole))  # where nothing is damaged, nothing changes
    names = [loaders.clips(whole, "train", 4, 3, step) for step in range(len(found))]
    for step, row in itertools.product(range(len(found)), range(4)):
        equal = np.array_equal(found[step]["poses"][row], before[step]["poses"][row])
        assert equal == (names[step][row] != lost)
    (told,) = caplog.messages
    assert f"record {lost}: damaged in" in told and "another clip takes its place" in told


def test_the_same_clip_takes_its_place_everywhere(damaged):
    folder, _ = damaged
    found = _take(folder, corrupt="skip")
    _assert_same(_take(folder, corrupt="skip", num_threads=0), found)
    _assert_same(_take(folder, corrupt="skip", worker_count=1), found)
    _assert_same(_take(folder, 3, corrupt="skip", start_step=3), found[3:])
    parts = [_take(folder, corrupt="skip", process_index=i, process_count=2) for i in range(2)]
    _assert_same([{"poses": np.concatenate([a["poses"], b["poses"]])} for a, b in zip(*parts, strict=True)], found)


def test_a_damaged_picture_names_clip_file_and_frame(whole, tmp_path):
    folder = str(shutil.copytree(sources.find(whole), tmp_path / "set"))
    clip = sources.from_directory(folder, "train", ("frames",))[2]
    clip.picture = lambda frame: b"no picture"
    with pytest.raises(DamagedError, match=rf"record {clip.id}: damaged in .*, its record 64, frame 4 is no JPEG file"):
        clip.image(4)


def test_where_nothing_is_whole_skipping_ends(whole, monkeypatch):
    def refuse(self, row, clip):
        raise DamagedError(f"record {clip}: damaged")

    monkeypatch.setattr("data_pipeline.record_files.RecordFiles.read", refuse)
    with pytest.raises(ValueError, match="100 clips in a row are damaged"):
        _take(whole, corrupt="skip")


def test_another_word_is_refused():
    with pytest.raises(ValueError, match="corrupt: 'ignore' is neither"):
        loaders.Order(4, corrupt="ignore")
