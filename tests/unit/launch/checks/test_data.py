import shutil
from pathlib import Path

import pytest

from configs import motion
from data_pipeline import sources
from launch.checks import data as checks
from launch.checks.findings import OK, WARN


def test_a_prepared_set_is_told_with_an_example(small, data):
    found = checks.data_set(small(), None)
    told = f"train 2 clips; test 2 clips; fingerprint {sources.fingerprint(data)[:16]}; an example: poses 16x60x3"
    assert (found.state, found.found) == (OK, f"{data}: {told}")


def test_without_time_one_record_is_read(small):
    assert "train 2 clips, 1 of them read; test 2 clips, 1" in checks.data_set(small(), None, seconds=0).found


def test_without_a_set_that_is_told(small):
    config = small()
    with config.unlocked():
        config.data.dir = ""
    found = checks.data_set(config, None)
    assert found.state == WARN and "--config.data.dir=DIR" in found.remedy


def test_a_config_that_cannot_be_resolved_gets_no_example(data):
    config = motion.get_config("tiny")
    config.data.dir = data
    assert checks.data_set(config.lock(), None).found.endswith(sources.fingerprint(data)[:16])


def damaged(folder):
    """Other bytes in the last record."""
    file = next(Path(folder).rglob("*train*record*"))
    content = bytearray(file.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 8] = bytes(byte ^ 255 for byte in content[middle : middle + 8])
    file.write_bytes(content)


def cut(folder):
    file = next(Path(folder).rglob("*test*record*"))
    file.write_bytes(file.read_bytes()[:-40])


def gone(folder):
    shutil.rmtree(folder)


def unknown(folder):
    next(Path(folder).rglob("xdancer.json")).unlink()


@pytest.mark.parametrize(("harm", "error", "said"), [
    (damaged, ValueError, "record [01]-train: damaged in"), (cut, ValueError, "record [01]-test: damaged in"),
    (gone, FileNotFoundError, "no data set here; prepare one"), (unknown, FileNotFoundError, "no data set here"),
])
def test_a_set_that_cannot_be_trained_on_is_told(small, data, tmp_path, harm, error, said):
    config = small()
    with config.unlocked():
        config.data.dir = str(shutil.copytree(data, tmp_path / "data"))
    harm(config.data.dir)
    with pytest.raises(error, match=said):
        checks.data_set(config, None)


@pytest.mark.parametrize(("field", "value", "said"), [
    ("eval_split", "none", "has no split 'none'"), ("length", 90, "the window needs 90"),
])
def test_fields_that_the_set_does_not_serve_are_told(small, field, value, said):
    config = small()
    config.data[field] = value
    with pytest.raises(ValueError, match=said):
        checks.data_set(config, None)


def test_a_replayed_set_is_looked_at_where_there_is_one(small, data):
    assert checks.replayed(small()) is None
    config = motion.get_config("tiny_finetune")
    config.data.replay_dir = data
    assert checks.replayed(config.lock()).found.startswith(f"{data}: train 2 clips; fingerprint")
    config.data.replay_dir = f"{data}/none"
    with pytest.raises(FileNotFoundError):
        checks.replayed(config)
