"""From a visitor's files to a dance, without a page."""

import dataclasses
import shutil

import numpy as np
import pytest

from data_pipeline import audio_files, pose_files, video_files
from data_pipeline.pose_estimation import NoPersonError
from data_pipeline.skeleton import PARTS
from launch.apps import looking
from launch.apps.jobs import CANCELLED, DONE, Jobs
from launch.apps.limits import Wishes
from launch.apps.refusals import Refused
from launch.apps.rooms import Rooms
from launch.apps.visits import Visits
from launch.making import painting
from tests import command_line, small_app
from xdancer_jax.stages.motion_sampling import Sampling

NUMBERS = {"seconds": 2.0, "seed": 3, "temperature": 0.8}


@pytest.fixture
def visits(maker, tmp_path):
    (tmp_path / "app").mkdir()
    return Visits(Rooms(tmp_path / "app"), Jobs(2), maker, maker.limits)


@pytest.fixture
def uploads(visits, files):
    """Records as a page sends them."""
    found = {}
    for field, path in files.items():
        kept = visits.rooms.folder / f"digest-{field}" / path.name
        kept.parent.mkdir()
        shutil.copy(path, kept)
        found[field] = {"path": str(kept), "url": None}
    return found


def present(visits):
    return sorted(path.name for path in visits.rooms.folder.rglob("*") if path.is_file())


def test_a_dance_is_made_and_its_files_go_with_the_page(visits, uploads):
    job = visits.ask("a", uploads, NUMBERS)
    assert sorted(path.name for path in visits.rooms.folder.glob("rooms/*/*")) == ["photo", "pose.npz", "song"]
    phases, tell = [], job.tell
    job.tell = lambda phase, *rest: (phases.append(phase), tell(phase, *rest))
    assert visits.jobs.run_one(0) and job.state == DONE, job.refused
    assert list(dict.fromkeys(phases)) == ["photo", "song", "motion", "write", "video", "frames"]
    assert present(visits) == sorted(["photo.png", "pose.npz", "song.wav", *(path.name for path in job.result.files())])
    frames = [frame.picture for frame in video_files.iter_video(job.result.video)]
    assert np.shape(frames) == (60, *small_app.SIZE, 3)
    assert len(audio_files.read_audio(job.result.video, 8000)) == pytest.approx(16000, abs=1500)
    assert len(pose_files.load_poses(job.result.poses).poses) == 60
    assert "<svg" in job.result.chart and "music beats, alignment" in job.result.chart and job.result.seconds == 2
    visits.close("a")
    assert present(visits) == []


def test_the_dance_is_the_one_that_generate_makes_with_its_mark(visits, uploads, files, maker, tmp_path, monkeypatch):
    job = visits.ask("a", uploads, NUMBERS | {"temperature": 1.5})
    visits.jobs.run_one(0)
    monkeypatch.setattr(painting, "painter", lambda run, steps: maker.paint)  # compiled once
    runs = str(maker.motion.workdir.parent)
    done = command_line.run(
        "launch.generate", f"--image={files['photo']}", f"--pose={files['pose']}", f"--music={files['song']}",
        f"--runs={runs}", f"--out={tmp_path / 'd.mp4'}", "--seconds=2", "--seed=3", "--temperature=1.5",
        "--visible_mark",
    )
    assert done.returncode == 0, done.stderr
    theirs = pose_files.load_poses(tmp_path / "d_poses.npz")
    ours = pose_files.load_poses(job.result.poses)
    np.testing.assert_array_equal(ours.tokens, theirs.tokens)
    np.testing.assert_array_equal(ours.poses, theirs.poses)
    frames = [list(video_files.iter_video(path)) for path in (job.result.video, tmp_path / "d.mp4")]
    for mine, other in zip(*frames, strict=True):
        np.testing.assert_array_equal(mine.picture, other.picture)


def test_a_temperature_that_nobody_moved_is_the_runs_own(maker):
    assert maker.temperature == NUMBERS["temperature"]
    own = Sampling(**maker.motion.config.sampling)
    assert maker._sampling(Wishes(1, 0, 0.8)) == own and maker._sampling(Wishes(1, 0, 0.9)).temperature == (0.9,)
    several = maker.motion.config.copy_and_resolve_references()
    several.sampling.temperature = (0.8, 1.0, 1.0, 1.0, 1.0)
    other = dataclasses.replace(maker, motion=dataclasses.replace(maker.motion, config=several))
    assert other._sampling(Wishes(1, 0, 0.8)).temperature == (0.8, 1.0, 1.0, 1.0, 1.0)


@pytest.mark.parametrize("at", ["motion", "video", "frames"])
def test_a_cancel_ends_the_computation_where_it_is_and_takes_the_files(visits, uploads, at):
    job = visits.ask("a", uploads, NUMBERS | {"seconds": 4})
    tell, told = job.tell, []

    def watched(phase, *rest):
        told.append((phase, *rest))
        if phase == at and rest and rest[0]:
            visits.jobs.cancel("a")
        tell(phase, *rest)

    job.tell = watched
    visits.jobs.run_one(0)
    assert job.state == CANCELLED and job.result is None
    assert told[-1][0] == at and told[-1][1] < told[-1][2], "it went on after the cancel"
    assert present(visits) == ["photo.png", "pose.npz", "song.wav"], "the page still shows what was uploaded"


def test_files_from_outside_are_refused_beside_their_field(visits, uploads, files):
    for field in ("photo", "pose", "song"):
        for path in (str(files[field]), "/etc/passwd", "https://example.org/x.png", "", 3):
            with pytest.raises(Refused, match="This file was not uploaded here.") as refused:
                visits.ask("a", uploads | {field: {"path": path}}, NUMBERS)
            assert refused.value.field == field
    assert list(visits.rooms.folder.glob("rooms/*")) == []


def test_what_cannot_be_used_is_refused_beside_its_field_without_a_path(visits, uploads, maker):
    no_image = {"path": str(visits.rooms.folder / "digest-photo" / "other.png")}
    (visits.rooms.folder / "digest-photo" / "other.png").write_bytes(b"no image at all")
    other = np.random.default_rng(0).uniform(5, 20, (1, 60, 3)).clip(0, 1).astype(np.float32)
    pose_files.save_poses(visits.rooms.folder / "other.npz", other, 30, 30, 20)
    cases = [
        ("photo", {"photo": None}, "Give a photo, or click an example."),
        ("song", {"song": None}, "Give a song."),
        ("song", {"song": uploads["photo"]}, "This is no sound that is known here"),
        ("photo", {"photo": no_image, "pose": None}, "The photo: not a readable image"),
        ("photo", {"photo": no_image}, "not a readable image"),
        ("photo", {"pose": None}, "No model bundle here. Another photo may do, or a pose file"),
        ("pose", {"pose": uploads["song"]}, "This is no pose file; give an .npz"),
        ("pose", {"pose": {"path": str(visits.rooms.folder / "other.npz")}}, "The pose file: poses of a 30x20 pic"),
    ]
    for number, (field, changed, said) in enumerate(cases):  # a page that shows another file lets go of the one before
        with pytest.raises(Refused) as refused:
            visits.ask(f"page {number}", uploads | changed, NUMBERS)
        assert (refused.value.field, said in str(refused.value)) == (field, True), str(refused.value)
        assert str(visits.rooms.folder) not in str(refused.value)
    for field, value in (("seconds", 31), ("seed", -1), ("temperature", None)):
        with pytest.raises(Refused) as refused:
            visits.ask("a", uploads, NUMBERS | {field: value})
        assert refused.value.field == field
    assert list(visits.rooms.folder.glob("rooms/*")) == []


def test_a_song_that_the_run_cannot_hear_ends_its_job_beside_the_song(visits, uploads, maker):
    short = small_app.files(visits.rooms.folder / "examples", seconds=0.8)["song"]  # 24 frames
    silent = visits.rooms.folder / "silent.wav"
    silent.write_bytes(short.read_bytes()[:44] + bytes(short.stat().st_size - 44))
    job = visits.ask("a", uploads | {"song": {"path": str(silent)}}, NUMBERS)
    visits.jobs.run_one(0)
    assert job.refused.field == "song" and "silent" in str(job.refused)
    assert str(maker.motion.workdir) not in str(job.refused)
    assert not list(visits.rooms.folder.glob("rooms/*"))


def test_a_photo_is_looked_at_before_anything_long_starts(visits, uploads, maker):
    found = visits.look("a", uploads["photo"], uploads["pose"])
    assert found.picture.shape == (*small_app.SIZE, 3) and found.doubts == ""
    assert visits.look("b", None, None) == (None, "")

    def nobody_there(frame):
        raise NoPersonError(0.1, 0.5)

    other = dataclasses.replace(maker, look=looking.Looker(lambda: nobody_there, small_app.SIZE))
    alone = Visits(visits.rooms, visits.jobs, other, visits.limits)
    with pytest.raises(Refused, match=r"^No person found in the photo .* below\.$") as refused:
        alone.look("a", uploads["photo"], None)
    assert refused.value.field == "photo"


def test_a_second_wish_of_a_page_waits_for_no_room(visits, uploads):
    visits.ask("a", uploads, NUMBERS)
    with pytest.raises(Refused, match="Your dance before is not finished"):
        visits.ask("a", uploads, NUMBERS)
    assert len(list(visits.rooms.folder.glob("rooms/*"))) == 1


def test_a_photo_without_legs_is_doubted(visits, uploads):
    pose = pose_files.load_poses(uploads["pose"]["path"])
    pose.poses[:, list(PARTS["lower_body"]), 2] = 0.1
    pose_files.save_poses(uploads["pose"]["path"], pose.poses, 30, pose.height, pose.width)
    assert visits.look("a", uploads["photo"], uploads["pose"]).doubts.startswith("Hips, knees and ankles are hardly")
