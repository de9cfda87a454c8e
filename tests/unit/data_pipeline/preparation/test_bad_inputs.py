"""Videos as people have them: what is odd comes out right, what is bad is a line or a row and takes no other along."""

import os
import shutil
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from data_pipeline import clip_views, image_files, sources
from data_pipeline.preparation import listing
from tests import command_line, footage, media

FIELDS = ("poses", "music", "beats", "frames", "audio", "audio_rate", "provenance")
SECONDS = 1.5


@pytest.fixture(autouse=True)
def planted(monkeypatch):
    footage.plant(monkeypatch)


def _record(folder: Path, **film) -> tuple[str, dict]:
    """The set of a film and of another one, and the record of the film's clip."""
    footage.film(folder / "a.mp4", seconds=SECONDS, **film)
    footage.write(folder / "b.mp4")
    rows = footage.table(folder, "a.mp4,train,", "b.mp4,test,")
    made = footage.prepare(folder, rows, **{"filters.corner_deviation": 255.0})
    return made, clip_views.record(sources.from_directory(made, "train", FIELDS)[0], FIELDS)


@pytest.mark.parametrize("film", [
    pytest.param({}, id="plain"),
    pytest.param({"turned": 90}, id="turned by 90"),
    pytest.param({"turned": 180}, id="turned by 180"),
    pytest.param({"turned": 270}, id="turned by 270"),
    pytest.param({"height": 96, "width": 54}, id="portrait"),
    pytest.param({"height": 96, "width": 64, "turned": 90, "aspect": Fraction(3, 4)}, id="portrait, turned, oblong"),
    pytest.param({"aspect": Fraction(4, 3)}, id="oblong pixels"),
    pytest.param({"height": 2160, "width": 3840, "fps": 15}, id="4K"),
    pytest.param({"fps": 120}, id="120 fps"),
    pytest.param({"fps": 24}, id="24 fps"),
    pytest.param({"pix_fmt": "yuv420p10le"}, id="10 bits"),
    pytest.param({"interlaced": True}, id="interlaced H.264"),
    pytest.param({"interlaced": True, "codec": "mpeg2video"}, id="interlaced MPEG-2"),
])
def test_a_film_comes_out_upright_square_at_30_fps_and_in_step_with_its_sound(tmp_path, film):
    made, record = _record(tmp_path, **film)
    fps = film.get("fps", 30)
    count = int((round(SECONDS * fps) - 1) / fps * 30 + 1e-6) + 1
    assert len(record["poses"]) == len(record["frames"]) == len(record["music"]) == count
    pictures = np.stack([image_files.decode_jpeg(picture) for picture in record["frames"]]).astype(int)
    assert pictures.shape == (count, 56, 32, 3)
    above, below = pictures[:, 2, 16], pictures[:, -3, 16]
    assert (above[:, 2] > above[:, 0] + 100).all() and (below[:, 0] > below[:, 2] + 100).all()
    dark = pictures[0].max(-1) < 70
    rows, columns = np.ptp(np.argwhere(dark), axis=0) + 1
    assert abs(rows - 14) <= 1 and abs(rows - columns) <= 1
    white = pictures[:, 28, 16].min(-1) > 128
    begun = np.flatnonzero(white & ~np.roll(white, 1)) / 30
    heard = media.starts(record["audio"].astype(np.float32), record["audio_rate"])
    np.testing.assert_allclose(heard, media.click_times(SECONDS), atol=0.01)
    np.testing.assert_allclose(begun, heard, atol=0.01 if fps % 30 == 0 else 1 / fps)  # whose frame is shown before
    lifted = record["poses"][:, 30, 1]  # the estimator's, of the same pictures
    assert (lifted[white] < lifted[~white].min()).all() or fps != 30
    counted = (tmp_path / "data" / "videos.report" / "clips.csv").read_text()
    assert ("interlaced" in counted) == film.get("interlaced", False)


def test_names_of_any_letters_and_signs(tmp_path):
    (tmp_path / "v").mkdir()
    names = ["mein Tanz", "танец", "踊り", "a'b\"c", "50% [x] {1}", "#1", "-e", "a.b", "e\u0301te\u0301"]
    first = footage.write(tmp_path / "one.mp4", 16)
    for name in names:
        shutil.copy(first, tmp_path / "v" / f"{name}.mp4")
    made = footage.prepare(tmp_path, tmp_path / "v", music="none")
    found = [
        clips[i].id for split in ("train", "test")
        for clips in [sources.from_directory(made, split, ("poses",))] for i in range(len(clips))
    ]
    assert sorted(found) == sorted(names)


def test_a_name_in_another_encoding_is_a_line_before_any_work(tmp_path):
    (tmp_path / "v").mkdir()
    Path(os.fsdecode(os.fsencode(tmp_path / "v") + b"/caf\xe9.mp4")).touch()
    with pytest.raises(ValueError, match=r"caf.*mp4: its name is not UTF-8; rename it") as error:
        listing.find(str(tmp_path / "v"), listing.VIDEOS)
    str(error.value).encode()  # it can be printed


def _two_good_and(folder: Path) -> Path:
    (folder / "v").mkdir()
    footage.write(folder / "v" / "a.mp4")
    footage.write(folder / "v" / "b.mp4", shift=8)
    return folder / "v"


def _splits(where: Path, folder: Path) -> Path:
    """A table of all in a folder, of which "b" is tested on."""
    names = sorted(os.listdir(where))
    rows = (f"v/{name},{'test' if name == 'b.mp4' else 'train'}" for name in names)
    (folder / "t.csv").write_text("\n".join(("file,split", *rows)))
    return folder / "t.csv"


def _without_packets(path: Path) -> None:
    """A video beside a sound track in which nothing is."""
    with av.open(str(path), "w", format="mov") as file:
        video = file.add_stream("libx264", rate=15)
        video.height, video.width, video.pix_fmt = 64, 96, "yuv420p"
        file.add_stream("pcm_s16le", rate=44_100, layout="mono")
        for level in range(30):
            picture = np.full((64, 96, 3), 90, np.uint8)
            picture[16:48, 32:64] = 4 * level
            file.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(video.encode(None))


def _cut(path: Path, whole: Path, share: float) -> None:
    """The beginning of a video whose index comes first."""
    moved = path.with_suffix(".whole")
    with av.open(str(whole)) as file, av.open(str(moved), "w", format="mp4", options={"movflags": "faststart"}) as copy:
        streams = {stream.index: copy.add_stream_from_template(stream) for stream in file.streams}
        for packet in file.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                copy.mux(packet)
    path.write_bytes(moved.read_bytes()[: int(share * moved.stat().st_size)])
    moved.unlink()


def test_whatever_cannot_be_used_is_a_row_with_its_file_and_takes_no_other_along(tmp_path):
    where = _two_good_and(tmp_path)
    media.store_sound(where / "sound.mp4", media.clicks(2)[None], 44_100, "aac", "mp4")
    footage.write(where / "mute.mp4", sound=False)
    _without_packets(where / "empty_sound.mov")
    footage.write(where / "silent.mp4", loud=0.0)
    _cut(where / "cut.mp4", footage.film(tmp_path / "long.mp4", seconds=4), 0.6)
    (where / "folder.mp4").mkdir()
    (where / "full.mp4").mkdir()
    (where / "full.mp4" / "notes.md").touch()
    os.mkfifo(where / "pipe.mp4")
    os.symlink(tmp_path / "nowhere.mp4", where / "dangling.mp4")
    made = footage.prepare(tmp_path, _splits(where, tmp_path))
    assert len(sources.from_directory(made, "train", ("poses",))) == 1
    rejects = footage.rejects(tmp_path)
    reasons = {name: reason for name, (reason, _) in rejects.items()}
    assert reasons == {
        "sound": "failed", "mute": "no_music", "empty_sound": "no_music", "silent": "no_music", "cut": "damaged",
        "folder": "failed", "full": "failed", "pipe": "failed", "dangling": "failed",
    }
    for name, (_, detail) in rejects.items():
        assert f"{name}.m" in detail and "\n" not in detail, detail
    assert "has no video stream" in rejects["sound"][1] and "no such file" in rejects["dangling"][1]
    assert "not a file" in rejects["pipe"][1] and "not a file" in rejects["folder"][1]
    assert "of 120 frames are there" in rejects["cut"][1]
    for name in ("mute", "empty_sound", "silent"):
        assert "config.music=none" in rejects[name][1]


def test_a_folder_that_cannot_be_read_is_named_and_not_left_out(tmp_path, monkeypatch):
    where = _two_good_and(tmp_path)
    (where / "closed").mkdir()
    real = os.scandir

    def scandir(path):
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)  # who runs as root reads any folder
    with pytest.raises(PermissionError, match="closed"):
        listing.find(str(where), listing.VIDEOS)


def test_a_file_that_may_not_be_read_is_a_row(tmp_path, monkeypatch):
    where, real = _two_good_and(tmp_path), Path.open
    footage.write(where / "closed.mp4", shift=4)

    def opened(path, *arguments, **options):
        if Path(path).name == "closed.mp4":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path, *arguments, **options)

    monkeypatch.setattr(Path, "open", opened)
    footage.prepare(tmp_path, _splits(where, tmp_path))
    [(reason, detail)] = footage.rejects(tmp_path).values()
    assert reason == "failed" and "Permission denied" in detail and "closed.mp4" in detail


def test_links_to_folders_outside_are_refused_as_those_to_files_are(tmp_path):
    where = _two_good_and(tmp_path)
    (tmp_path / "other").mkdir()
    os.symlink(tmp_path / "other", where / "more")
    with pytest.raises(ValueError, match=r"v/more: a link that leads out of .*v; name its target in a list instead"):
        listing.find(str(where), listing.VIDEOS)
    (where / "more").unlink()
    os.symlink(where, where / "round")  # without end, if it were followed
    assert [source.id for source in listing.find(str(where), listing.VIDEOS)] == ["a", "b"]


def test_rows_of_one_id_are_refused_with_the_way_out(tmp_path):
    (tmp_path / "t.csv").write_text("file,id\na.mp4,x\nb.mp4,x\n")
    with pytest.raises(ValueError, match=r"b\.mp4 and .*a\.mp4: both have the id 'x'; rename one, or give ids in a"):
        listing.find(str(tmp_path / "t.csv"), listing.VIDEOS)
    (tmp_path / "t.csv").write_text("file\na.mp4\na.mp4\n")
    with pytest.raises(ValueError, match="both have the id 'a'"):
        listing.find(str(tmp_path / "t.csv"), listing.VIDEOS)


@pytest.mark.parametrize(("make", "told"), [
    (lambda where: where.mkdir(), "v: no files to prepare; known are .3gp, .avi"),
    (lambda where: None, "v: no such file, folder or pattern that matches one"),
    (lambda where: footage.write(where.with_suffix(".mp4")), "no clip is left"),
])
def test_the_command_ends_with_a_line_and_a_status(tmp_path, make, told):
    where = tmp_path / "v"
    make(where)
    where = where if not where.with_suffix(".mp4").exists() else where.with_suffix(".mp4")
    done = command_line.run(
        "launch.prepare", "--config=configs/data.py:videos", f"--data={tmp_path / 'data'}",
        f"--config.videos={where}", "--config.height=56", "--config.width=32", "--config.filters.seconds=1",
        "--config.filters.person_box=0.01",
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode == 1 and len(lines) == 1 and told in lines[0]


def test_one_video_says_how_both_splits_get_clips(tmp_path):
    footage.write(tmp_path / "a.mp4")
    with pytest.raises(ValueError, match=r"all 1 are in .*: set config\.split\.by, config\.split\.test_share or"):
        footage.prepare(tmp_path, tmp_path / "a.mp4")


def test_who_counts_as_a_second_person_is_measured_anew(tmp_path):
    where = _two_good_and(tmp_path)
    footage.write(where / "crowd.mp4", red=True)
    rows = _splits(where, tmp_path)
    footage.prepare(tmp_path, rows)
    assert footage.rejects(tmp_path) == {"crowd": ("several_people", "")}
    for name, limit, count in (("confidence", 0.9, 2), ("size", 0.7, 2), ("size", 0.5, 1)):
        fields = {"cache": str(tmp_path / "data/cache"), f"filters.second_{name}": limit}
        made = footage.prepare(tmp_path / f"{name}{limit}", rows, **fields)
        assert len(sources.from_directory(made, "train", ("poses",))) == count, fields


def test_a_finished_set_with_a_damaged_file_is_told_and_made_anew_from_the_cache(tmp_path, monkeypatch):
    where = _two_good_and(tmp_path)
    rows = _splits(where, tmp_path)
    made = footage.prepare(tmp_path, rows)
    [shard] = (Path(made) / "pictures").rglob("*-train.array_record-*")
    content = shard.read_bytes()
    for broken in (content[:-5000], None):
        shard.unlink() if broken is None else shard.write_bytes(broken)
        with pytest.raises(ValueError, match=f"{shard}.*delete {made} and prepare it again") as error:
            footage.prepare(tmp_path, rows)
        assert "\n" not in str(error.value)
    shard.write_bytes(content)
    assert footage.prepare(tmp_path, rows) == made
