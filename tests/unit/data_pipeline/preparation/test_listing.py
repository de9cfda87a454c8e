import os
from pathlib import Path

import pytest

from data_pipeline.preparation import listing

SUFFIXES = listing.VIDEOS


def _touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def _ids(where, **options) -> list[str]:
    return [source.id for source in listing.find(str(where), SUFFIXES, **options)]


def test_a_folder_gives_all_videos_below_it_and_nothing_else(tmp_path):
    _touch(tmp_path, "b.mp4", "a.MOV", "deep/er/ça va.mkv", "notes.md", ".hidden.mp4", ".cache/c.mp4")
    assert _ids(tmp_path) == ["a", "b", "ça va"]


def test_a_pattern_may_have_any_depth(tmp_path):
    _touch(tmp_path, "b.mp4", "x/a.mp4", "x/y/c.mp4", "x/d.txt")
    assert _ids(f"{tmp_path}/x/*") == ["a"]
    assert _ids(f"{tmp_path}/**/*.mp4") == ["a", "b", "c"]


def test_a_list_names_files_relative_to_itself(tmp_path):
    _touch(tmp_path, "v/b.mp4", "v/a.mp4")
    (tmp_path / "list.txt").write_text("# mine\nv/b.mp4\n\nv/a.mp4\n")
    found = listing.find(str(tmp_path / "list.txt"), SUFFIXES)
    assert [source.path for source in found] == [str(tmp_path / "v/a.mp4"), str(tmp_path / "v/b.mp4")]


def test_a_table_says_what_is_known(tmp_path):
    (tmp_path / "t.csv").write_text("file,id,song,music,camera\nv/b.mp4,one,s1,songs/s1.ogg,left\nv/c.mp4,,,,\n")
    first, second = sorted(listing.find(str(tmp_path / "t.csv"), SUFFIXES), key=lambda source: source.path)
    assert first.id == "one" and first.columns["song"] == "s1" and first.columns["camera"] == "left"
    assert first.columns["music"] == str(tmp_path / "songs/s1.ogg")
    assert second.id == "c" and second.columns == {}


def test_names_of_aist_say_song_and_performer(tmp_path):
    _touch(tmp_path, "gBR_sBM_c01_d04_mBR0_ch02.mp4", "mine.mp4")
    aist, mine = listing.find(str(tmp_path), SUFFIXES)
    assert aist.columns == {"performer": "d04", "song": "mBR0"} and mine.columns == {}


def test_openpose_folders_are_one_file_each(tmp_path):
    _touch(tmp_path, "a/a_000_keypoints.json", "a/a_001_keypoints.json", "b.npz", "c/d.npz")
    found = listing.find(str(tmp_path), (".npz", ".json"), folders=True)
    assert [source.id for source in found] == ["a", "b", "d"]
    assert [s.id for s in listing.find(str(tmp_path / "a"), (".npz", ".json"), folders=True)] == ["a"]


def test_what_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none/\*\.mp4: no such file, folder or pattern"):
        _ids(tmp_path / "none" / "*.mp4")
    _touch(tmp_path, "notes.md")
    with pytest.raises(ValueError, match=r"no files to prepare; known are .*\.mp4"):
        _ids(tmp_path)
    with pytest.raises(FileNotFoundError, match="missing.txt: no such file"):
        _ids(tmp_path / "missing.txt")


def test_two_files_of_one_id_are_refused(tmp_path):
    _touch(tmp_path, "x/a.mp4", "y/a.mov")
    with pytest.raises(ValueError, match=r"a\.mov and .*a\.mp4: both have the id 'a'|a\.mp4 and .*a\.mov"):
        _ids(tmp_path)


def test_a_link_out_of_the_folder_is_refused_and_one_inside_is_not(tmp_path):
    _touch(tmp_path, "videos/a.mp4", "other/b.mp4")
    os.symlink(tmp_path / "videos/a.mp4", tmp_path / "videos/again.mp4")
    assert _ids(tmp_path / "videos") == ["a", "again"]
    os.symlink(tmp_path / "other/b.mp4", tmp_path / "videos/b.mp4")
    with pytest.raises(ValueError, match=r"b\.mp4: a link that leads out of"):
        _ids(tmp_path / "videos")


@pytest.mark.parametrize(("text", "message"), [
    ("name,song\nx,y\n", 'needs a column "file"; it has name, song'),
    ("file,song\n,y\n", "line 2 has no file"),
    ("file,song\na.mp4,y,z\n", "line 2 has no file, or more cells"),
    ("", 'needs a column "file"; it has nothing'),
])
def test_tables_that_are_none_are_named(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        _ids(tmp_path / "t.csv")


def test_a_list_in_another_encoding_is_named(tmp_path):
    (tmp_path / "l.txt").write_bytes("ça.mp4".encode("utf-16"))
    with pytest.raises(ValueError, match=r"l\.txt: not a text in UTF-8"):
        _ids(tmp_path / "l.txt")
