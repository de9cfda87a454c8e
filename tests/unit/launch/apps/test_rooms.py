"""Whose files lie where, and when they go."""

import os
import time

import pytest

from launch.apps.rooms import Rooms


@pytest.fixture
def rooms(tmp_path):
    (tmp_path / "app").mkdir()
    return Rooms(tmp_path / "app")


def upload(rooms, digest, name="photo.png"):
    """As Gradio stores it."""
    path = rooms.folder / digest / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"content")
    return path


def present(rooms):
    return sorted(str(path.relative_to(rooms.folder)) for path in rooms.folder.rglob("*") if path.is_file())


def test_nothing_outside_the_folder_is_opened(rooms, tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("x")
    (rooms.folder / "link").symlink_to(secret)
    (rooms.folder / "up").symlink_to(tmp_path)
    inside = upload(rooms, "d1")
    assert rooms.inside(str(inside)) == inside
    outside = (
        str(secret), "/etc/passwd", f"{rooms.folder}/../secret.txt", f"{rooms.folder}/link",
        f"{rooms.folder}/up/secret.txt", f"{rooms.folder}", f"{rooms.folder}2/x",
        "d1/photo.png", "https://example.org/x.png", "file:///etc/passwd", "", f"{inside}\0", None, 3, [str(inside)],
    )  # fmt: skip
    assert [path for path in outside if rooms.inside(path) is not None] == []


def test_an_upload_goes_when_another_takes_its_place_or_its_page_closes(rooms):
    first, second, song = upload(rooms, "d1"), upload(rooms, "d2"), upload(rooms, "d3", "song.mp3")
    rooms.hold("a", "photo", first)
    rooms.hold("a", "song", song)
    rooms.hold("a", "photo", second)
    assert present(rooms) == ["d2/photo.png", "d3/song.mp3"]
    rooms.hold("a", "photo", None)
    assert present(rooms) == ["d3/song.mp3"]
    rooms.leave("a")
    assert present(rooms) == [] and sorted(path.name for path in rooms.folder.iterdir()) == ["examples", "rooms"]


def test_equal_uploads_of_two_visitors_are_one_file_that_stays_for_the_other(rooms):
    path = upload(rooms, "d1")
    rooms.hold("a", "photo", path)
    rooms.hold("b", "photo", path)
    rooms.leave("a")
    assert present(rooms) == ["d1/photo.png"]
    rooms.leave("b")
    assert present(rooms) == []


def test_examples_stay(rooms):
    example = rooms.examples / "pop.png"
    example.write_bytes(b"x")
    rooms.hold("a", "photo", example)
    rooms.leave("a")
    rooms.sweep(0, time.time() + 10**6)
    assert present(rooms) == ["examples/pop.png"]


def test_a_room_has_copies_and_keeps_what_was_made_until_the_next_job(rooms):
    photo = upload(rooms, "d1")
    room = rooms.begin("a", {"photo": photo})
    assert (room / "photo").read_bytes() == b"content" and len(room.name) > 20
    (room / "dance.mp4").write_bytes(b"video")
    rooms.clear(room, (room / "dance.mp4",))
    assert [path.name for path in room.iterdir()] == ["dance.mp4"]
    other = rooms.begin("b", {})
    again = rooms.begin("a", {})
    assert not room.exists() and other.exists() and again.exists()
    rooms.clear(again)
    assert not again.exists()


def test_the_room_of_a_job_that_has_not_ended_stays(rooms):
    running = rooms.begin("a", {})
    refused = rooms.begin("a", {})
    rooms.sweep(0, time.time() + 10**6)
    assert running.exists() and refused.exists()
    rooms.clear(refused)
    rooms.clear(running)
    assert present(rooms) == [] and not running.exists()


def test_what_nobody_takes_away_goes_by_its_age(rooms):
    old, young = upload(rooms, "d1"), upload(rooms, "d2")
    room = rooms.begin("a", {})
    (room / "dance.mp4").write_bytes(b"video")
    rooms.clear(room, (room / "dance.mp4",))
    for path in (old, old.parent, room / "dance.mp4", room):
        os.utime(path, (1000, 1000))
    os.utime(young.parent, (1000, 1000))
    rooms.sweep(60)
    assert present(rooms) == ["d2/photo.png"]
    assert rooms.used() == len(b"content")
