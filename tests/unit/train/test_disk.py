import pytest

from xdancer_jax.train import disk


def test_a_folder_with_room_passes_and_keeps_nothing(tmp_path):
    disk.check(tmp_path / "new", 1000)
    assert list((tmp_path / "new").iterdir()) == []


def test_too_little_room_is_said_with_both_sizes(tmp_path, monkeypatch):
    monkeypatch.setattr(disk.shutil, "disk_usage", lambda folder: disk.shutil._ntuple_diskusage(10, 9, 1_000_000))
    disk.check(tmp_path, 1_000_000)
    with pytest.raises(OSError, match=r"it takes 2\.0 MB, and 1\.0 MB are free"):
        disk.check(tmp_path, 2_000_000)


def test_a_place_that_is_no_folder_is_an_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="exists"):
        disk.check(tmp_path / "file", 0)


def test_reasons_are_one_line():
    assert disk.reason(OSError(30, "Read-only file system", "x")) == "Read-only file system"
    assert disk.reason(ValueError("a\n  b")) == "a b" and disk.reason(KeyError()) == "KeyError"
    assert len(disk.reason(ValueError("x" * 900))) == 203
