import pytest

from launch.studies import pairing


def folder(at, *names):
    at.mkdir(parents=True)
    for name in names:
        (at / name).write_bytes(b"x")
    return str(at)


def test_videos_of_one_name_are_paired_and_the_others_told(tmp_path):
    ours = folder(tmp_path / "ours", "b.mp4", "a.mp4", "c.mp4", ".d.mp4", "notes.txt")
    theirs = folder(tmp_path / "theirs", "a.mov", "b.MP4", "e.mp4")
    paired = pairing.pair([ours, theirs], None)
    assert paired.systems == ("ours", "theirs")
    assert [(one.name, [video.name for video in one.videos]) for one in paired.items] == [
        ("a", ["a.mp4", "a.mov"]), ("b", ["b.mp4", "b.MP4"])]  # fmt: skip
    assert paired.left_out == (f"left out: c, not in {theirs}", f"left out: e, not in {ours}")
    photos = folder(tmp_path / "photos", "a.png", "b.jpg")
    assert [one.photo.name for one in pairing.pair([ours, theirs], photos).items] == ["a.png", "b.jpg"]


def test_systems_of_one_name_get_as_much_of_their_path_as_tells_them_apart(tmp_path):
    folders = [folder(tmp_path / run / "dances", "a.mp4") for run in ("big", "small")]
    assert pairing.pair(folders, None).systems == ("big/dances", "small/dances")


def test_what_cannot_be_compared_is_refused(tmp_path):
    a, b = folder(tmp_path / "a", "x.mp4"), folder(tmp_path / "b", "y.mp4")
    twice, empty = folder(tmp_path / "twice", "x.mp4", "x.mov"), folder(tmp_path / "empty")
    photos = folder(tmp_path / "photos", "z.png")
    (tmp_path / "link").symlink_to(a)
    for folders, told in (
        ([a], "given 1 times"), ([a] * 7, "given 7 times"), ([a, b], "no video has the same name"),
        ([a, str(tmp_path / "link")], "one folder is given twice"), ([a, twice], "x.mov and x.mp4 have one name"),
        ([a, empty], "holds none of .mp4"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=told):
            pairing.pair(folders, None)
    with pytest.raises(FileNotFoundError, match=r"--videos=nowhere: no such folder"):
        pairing.pair([a, "nowhere"], None)
    with pytest.raises(FileNotFoundError, match="no photo named x"):
        pairing.pair([a, folder(tmp_path / "c", "x.mp4")], photos)
