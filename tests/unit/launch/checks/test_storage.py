import email.utils
import os
import pathlib
import time
from types import SimpleNamespace

import pytest

from launch.checks import storage
from launch.checks.findings import FAIL, OK, WARN

# aiohttp's, of puts beyond 1 MB; outside of tests Python keeps it to itself.
pytestmark = pytest.mark.filterwarnings("ignore:Sending a large body directly:ResourceWarning")


def everything(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize(("free", "state"), [(1e8, FAIL), (24e9, WARN), (26e9, OK)])
def test_room_on_the_disk(tmp_path, monkeypatch, free, state):
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    found = storage.room(str(tmp_path / "not" / "there"))
    assert found.state == state and f"{free / 1e9:.1f} GB free" in found.found


def test_what_is_written_is_gone_and_no_folder_made(tmp_path):
    found = storage.writing(str(tmp_path / "not" / "there"))
    assert found.state == OK and "MB/s written through, a file renamed over another" in found.found
    assert storage.clock(str(tmp_path / "not" / "there")).state == OK
    assert everything(tmp_path) == []


def test_the_file_is_written_in_the_work_directory_through_to_the_disk(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(storage.os, "fsync", lambda number: synced.append(os.readlink(f"/proc/self/fd/{number}")))
    (tmp_path / "run").mkdir()
    storage.writing(str(tmp_path / "run"))
    assert len(synced) == 1 and synced[0].startswith(f"{tmp_path}/run/.doctor-")


def test_a_full_disk_is_an_error_that_leaves_nothing(tmp_path, full_disk):
    with pytest.raises(OSError, match="File too large"):
        storage.writing(str(tmp_path))
    assert everything(tmp_path) == []


def test_a_disk_that_gives_back_other_bytes_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(pathlib.Path, "read_bytes", lambda path: b"others")
    assert storage.writing(str(tmp_path)).state == FAIL


def test_a_disk_that_does_not_rename_fails(tmp_path, monkeypatch):
    def refuse(*paths):
        raise PermissionError(1, "Operation not permitted", str(paths[0]))

    monkeypatch.setattr(storage.os, "replace", refuse)
    with pytest.raises(PermissionError):
        storage.writing(str(tmp_path))


@pytest.mark.parametrize(("place", "error", "said"), [
    ("file/run", NotADirectoryError, "a file, and no folder"), ("a[1]", ValueError, r"holds \[ \], which Orbax"),
    ("s3://a/b", ValueError, "neither a path of this machine nor gs://"),
    ("/proc/run", OSError, "/proc"),
])
def test_a_place_that_takes_no_run_is_told_once(tmp_path, place, error, said):
    (tmp_path / "file").write_text("")
    workdir = place if ":" in place or place.startswith("/") else str(tmp_path / place)
    with pytest.raises(error, match=said):
        storage.writing(workdir)
    if error is not ValueError or ":" in place:
        assert storage.clock(workdir) is None
    if place == "file/run" or ":" in place:
        assert storage.room(workdir) is None


def test_a_clock_that_is_off_is_a_warning():
    now = time.time()
    assert storage.compared(now, now - 4.9).state == OK
    for theirs in (now - 5.1, now + 5.1):
        found = storage.compared(now, theirs)
        assert found.state == WARN and found.found.startswith("5.1 s from the storage's") and "NTP" in found.remedy


def test_the_clock_is_compared_with_the_file(tmp_path, monkeypatch):
    now = time.time()
    monkeypatch.setattr(storage.time, "time", lambda: now + 60)
    assert storage.clock(str(tmp_path)).state == WARN


def test_a_store_is_written_read_and_left_as_it_was(store):
    assert storage.room("gs://bucket/run") is None
    found = storage.writing("gs://bucket/run")
    assert found.state == OK and "MB/s put, 67 MB at" in found.found and "renamed" not in found.found
    assert storage.clock("gs://bucket/run").state == OK
    assert store.names("bucket") == []


def test_the_clock_of_a_store_is_its_own(store, monkeypatch):
    told = email.utils.formatdate(time.time() - 60)
    monkeypatch.setattr(storage.paths, "described", lambda path: ({}, told))
    assert storage.clock("gs://bucket/run").state == WARN


def test_a_store_that_takes_nothing_or_lets_nothing_be_removed_fails(store):
    with pytest.raises(OSError, match="no bucket gs://none"):
        storage.writing("gs://none/run")
    store.broken = "DELETE .*"
    with pytest.raises(OSError, match="does not answer as it should"):
        storage.writing("gs://bucket/run")
    assert storage.clock("gs://bucket/run") is None
