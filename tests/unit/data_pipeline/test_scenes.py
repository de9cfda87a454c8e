import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from data_pipeline import scenes, video_files
from data_pipeline.frame_times import at_rate
from data_pipeline.scenes import SceneCuts
from data_pipeline.toy import clip as toy_clip


def _starts(pictures) -> list[int]:
    cuts = SceneCuts()
    for picture in pictures:
        cuts.add(picture)
    return cuts.starts


@pytest.fixture(scope="module")
def dances():
    return [toy_clip.make_clip(0, index, "train", num_frames=60)["frames"] for index in (0, 1)]


@pytest.fixture(scope="module")
def footage():
    if not os.environ.get("XDANCER_SAMPLE_DATA"):
        pytest.skip("set XDANCER_SAMPLE_DATA to a folder of sample data to look for cuts in real dances")
    folder = Path(os.environ["XDANCER_SAMPLE_DATA"]) / "video"
    names = ("conan_dancing.mov", "mediapipe_dancer.mp4")
    return [[frame.picture for frame in video_files.iter_video(folder / name)] for name in names]


def test_a_cut_is_found_in_a_file_of_two_dances_and_none_in_either(dances, tmp_path):
    first, second = dances
    video_files.write_video(tmp_path / "a.mp4", np.concatenate([first, second[:31]]))
    assert _starts(frame.picture for frame in video_files.iter_video(tmp_path / "a.mp4")) == [60]
    assert _starts(first) == _starts(second) == []
    assert _starts([*first[:20], *second[:20], *first[20:]]) == [20, 40]


def test_no_cut_in_real_dances_and_one_between_them(footage, tmp_path):
    assert [_starts(of) for of in footage] == [[], []]
    assert [_starts(of[::3]) for of in footage] == [[], []]  # 8 and 7 fps: more happens between two frames
    wide = [np.pad(picture[:360], ((0, 0), (20, 20), (0, 0)), mode="edge") for picture in footage[1][:30]]
    video_files.write_video(tmp_path / "a.mp4", [*footage[0][:40], *wide], 25)
    assert _starts(frame.picture for frame in video_files.iter_video(tmp_path / "a.mp4")) == [40]


def test_a_jump_in_one_place_is_a_cut(footage):
    dance = footage[0]
    assert _starts([*dance[100:], *dance[:60]]) == [80]


def test_motion_however_fast_is_no_cut():
    ramp = np.repeat(np.arange(0, 256, dtype=np.uint8)[None, :, None], 64, axis=0).repeat(3, axis=2)
    pan = [np.roll(ramp, 25 * i, axis=1) for i in range(40)]
    changes = np.abs(np.diff([picture.astype(int) for picture in pan], axis=0)).mean(axis=(1, 2, 3))
    assert changes.min() > 20 and _starts(pan) == []
    assert _starts([picture for picture in pan for _ in range(3)]) == []  # each shown three times


@pytest.mark.parametrize("length", [1, 3, 7])
def test_a_flash_is_no_cut(dances, length):
    flash = np.full_like(dances[0][:length], 255)
    assert _starts([*dances[0][:30], *flash, *dances[0][30:]]) == []


def test_nothing_and_a_single_frame_have_no_cuts():
    assert _starts([]) == _starts([np.zeros((3, 2, 3), np.uint8)]) == []


def test_hours_are_small():
    cuts, pictures = SceneCuts(), np.zeros((2, 20, 30, 3), np.uint8)
    tracemalloc.start()
    try:
        for i in range(5_000):
            cuts.add(pictures[i % 2])
        assert tracemalloc.get_traced_memory()[0] < 5_000 * 50  # 5 MB an hour
    finally:
        tracemalloc.stop()


def test_spans_end_at_scenes_and_after_so_many_seconds():
    times = at_rate(30, 100)
    assert scenes.bounds(times, [], 0.0) == [(0, 100)]
    assert scenes.bounds(times, [40], 0.0) == [(0, 40), (40, 100)]
    assert scenes.bounds(times, [], 1.0) == [(0, 30), (30, 60), (60, 90), (90, 100)]
    assert scenes.bounds(times, [40], 1.0) == [(0, 30), (30, 40), (40, 70), (70, 100)]
    assert scenes.bounds(times, [], 100.0) == [(0, 100)]
    assert scenes.bounds(at_rate(30, 90), [], 1.0)[-1] == (60, 90)  # nothing is left


def test_spans_go_by_the_times_of_frames():
    times = np.array([0, 0.5, 0.9995, 1.6, 4.2, 4.3, 5.0])  # 0.9995 is 1 as times are known; nothing from 2 to 4
    assert scenes.bounds(times, [], 1.0) == [(0, 2), (2, 4), (4, 6), (6, 7)]
    assert scenes.bounds(times + 7, [1], 1.0) == [(0, 1), (1, 3), (3, 4), (4, 6), (6, 7)]


@pytest.mark.parametrize("fps", [24, 25, 30000 / 1001, 30, 59.94])
def test_spans_of_usual_rates_are_as_long_as_asked_for(fps):
    times = at_rate(fps, round(65 * fps))
    found = scenes.bounds(times, [], 10.0)
    assert [stop for _, stop in found[:-1]] == [start for start, _ in found[1:]] and len(found) == 7
    assert all(abs((stop - start) / fps - 10) <= 1 / fps for start, stop in found[:-1])


@pytest.mark.parametrize(("frames", "starts", "seconds", "error"), [
    (0, [], 0, r"starts: \[\] are not increasing frames after the first of 0"), (10, [0], 0, "not increasing"),
    (10, [10], 0, "not increasing"), (10, [5, 5], 0, "not increasing"), (10, [], -1, "seconds: -1 is no length"),
    (10, [], np.nan, "seconds: nan is no length"), (10, [], np.inf, "seconds: inf is no length"),
])
def test_spans_of_what_is_no_video_are_refused(frames, starts, seconds, error):
    with pytest.raises(ValueError, match=error):
        scenes.bounds(at_rate(30, frames), starts, seconds)
