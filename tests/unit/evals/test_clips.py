import weakref

import numpy as np
import pytest

from xdancer_jax.evals.clips import Cut, UnreadableVideo, Video, check_alike, chunks, clips, frames_of, of_array


def numbered(name, length, size=(2, 3), fps=30.0):
    """A video whose frame i is i everywhere."""
    frames = np.broadcast_to(np.arange(length, dtype=np.uint8)[:, None, None, None], (length, *size, 3))
    return of_array(name, fps, frames)


def found(cut, *lengths):
    videos = [numbered(str(i), length) for i, length in enumerate(lengths)]
    return [
        (clip.video, [int(frame[0, 0, 0]) for frame in clip.frames])
        for video, starts in zip(videos, cut.starts(videos), strict=True) for clip in clips(video, starts, cut)
    ]


def test_first_and_every_and_segments():
    assert found(Cut(3, "first"), 5, 2, 3) == [("0", [0, 1, 2]), ("2", [0, 1, 2])]
    assert found(Cut(3, "every"), 5) == [("0", [0, 1, 2]), ("0", [1, 2, 3]), ("0", [2, 3, 4])]
    assert found(Cut(3, "every", drop_last=True), 5, 3) == [("0", [0, 1, 2]), ("0", [1, 2, 3])]
    assert found(Cut(2, "every", stride=2), 5) == [("0", [0, 1]), ("0", [2, 3])]
    assert found(Cut(3, "segments"), 5, 1) == [("0", [0, 1, 2]), ("0", [3, 4, 4]), ("1", [0, 0, 0])]
    assert found(Cut(3, "segments"), 6) == [("0", [0, 1, 2]), ("0", [3, 4, 5])]


def test_random_goes_round_the_videos_that_are_long_enough():
    clips_of = found(Cut(3, "random", total=7, seed=1), 9, 2, 12)
    assert sorted(name for name, _ in clips_of) == ["0"] * 4 + ["2"] * 3
    assert all(frames == list(range(frames[0], frames[0] + 3)) for _, frames in clips_of)
    assert clips_of == found(Cut(3, "random", total=7, seed=1), 9, 2, 12)
    assert clips_of != found(Cut(3, "random", total=7, seed=2), 9, 2, 12)
    assert len(found(Cut(3, "random"), 9, 2, 12)) == 2


def test_a_total_ends_the_others_too():
    assert [name for name, _ in found(Cut(3, "first", total=2), 4, 4, 4)] == ["0", "1"]


def test_broken_videos_are_unreadable_in_a_line():
    short = Video("cut off", 30.0, (5, 2, 3), lambda: np.zeros((4, 2, 3, 3), np.uint8))
    with pytest.raises(UnreadableVideo, match="4 frames can be read of 5"):
        list(frames_of(short))
    other = Video("other", 30.0, (1, 2, 3), lambda: np.zeros((1, 3, 2, 3), np.uint8))
    with pytest.raises(UnreadableVideo, match=r"frame 0 is uint8 \(3, 2, 3\), uint8 \(2, 3, 3\) expected"):
        list(frames_of(other))

    def failing():
        yield np.zeros((2, 3, 3), np.uint8)
        raise ValueError("moov atom not found")

    with pytest.raises(UnreadableVideo, match="moov atom"):
        list(frames_of(Video("failing", 30.0, (3, 2, 3), failing)))


def test_sides_that_differ_are_refused_by_name():
    one = numbered("a", 5)
    check_alike([one], [numbered("a", 5)], paired=True)
    with pytest.raises(ValueError, match="b: 25 frames a second, a has 30"):
        check_alike([one], [numbered("b", 5, fps=25.0)], paired=False)
    with pytest.raises(ValueError, match="b: frames of 4 x 3, a has 2 x 3"):
        check_alike([one], [numbered("b", 5, (4, 3))], paired=False)
    with pytest.raises(ValueError, match=r"a \(4 frames\) is no partner of a \(5 frames\)"):
        check_alike([one], [numbered("a", 4)], paired=True)
    with pytest.raises(ValueError, match="1 real videos and 2 made ones do not make pairs"):
        check_alike([one], [numbered("a", 5), numbered("b", 5)], paired=True)
    with pytest.raises(ValueError, match="a: two videos of this name"):
        check_alike([one, one], [one], paired=False)
    with pytest.raises(ValueError, match="0 made ones"):
        check_alike([one], [], paired=False)


def test_chunks_hold_no_more_than_asked_for():
    held = [len(a) for a, b in chunks(numbered("a", 7), numbered("a", 7), 3)]
    assert held == [3, 3, 1]


def test_reading_clips_holds_one_clip():
    """Frames that were let go are gone: a video is never whole in memory."""
    seen, most = [], 0

    def read():
        for _ in range(50):
            frame = np.zeros((2, 3, 3), np.uint8)
            seen.append(weakref.ref(frame))
            yield frame

    video = Video("long", 30.0, (50, 2, 3), read)
    for _ in clips(video, list(range(40)), Cut(4, "every")):
        most = max(most, sum(frame() is not None for frame in seen))
    assert 4 <= most <= 6
