"""A label that is read, at any size and on any picture, and changes nothing but its own box."""

import numpy as np
import pytest
from PIL import ImageFont

from data_pipeline import video_files
from launch.making import marking

SIZES = [(112, 64), (64, 112), (168, 96), (256, 144), (512, 512), (896, 512), (1080, 1920), (2160, 3840), (3840, 2160)]


def pictures(height, width):
    """White, black, noise and stripes as high as letters' strokes are thick."""
    noise = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    stripes = np.broadcast_to(255 * (np.arange(height) // 2 % 2).astype(np.uint8)[:, None, None], noise.shape)
    return [np.full_like(noise, 255), np.zeros_like(noise), noise, stripes]


def contrast(bright, dark):
    """WCAG 2's contrast ratio of two greys, 0 to 255."""
    bright, dark = (np.power(np.asarray(grey) / 255, 2.2) + 0.05 for grey in (bright, dark))
    return bright / dark


def luminance(frame):
    return frame @ np.array([0.2126, 0.7152, 0.0722])


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_letters_stand_out_and_nothing_else_changes(height, width):
    given = pictures(height, width)
    before = [frame.copy() for frame in given]
    letters, top, left = marking.label(height, width)
    inside = np.zeros((height, width), bool)
    inside[top : top + letters.shape[0], left : left + letters.shape[1]] = True
    assert inside.sum() == letters.size  # all of it is in the frame
    for frame, old, made in zip(given, before, marking.marked(given), strict=True):
        np.testing.assert_array_equal(frame, old)
        assert made.dtype == np.uint8 and made.shape == frame.shape and not np.shares_memory(made, frame)
        np.testing.assert_array_equal(made[~inside], frame[~inside])
        box = luminance(made[inside]).reshape(letters.shape)
        strokes, around = box[letters > 0.8].min(), box[letters == 0].max()
        assert strokes > 200 and contrast(strokes, around) > 4.5
    assert letters.shape[0] >= 12 and (letters > 0.8).sum() >= 10
    assert letters.shape[1] < width / 2 and letters.size < height * width / 30


def test_the_words_are_whole_where_they_fit_and_short_where_they_do_not():
    def text(height, width):
        letters = marking.label(height, width)[0]
        size = max(10, min(height, width) / 24)
        lengths = [ImageFont.load_default(size).getlength(text) for text in marking.LABELS]
        return marking.LABELS[int(np.argmin(np.abs(np.array(lengths) + size / 2 - letters.shape[1])))]

    assert [text(*size) for size in SIZES] == ["AI"] * 3 + ["AI-generated"] * 6


@pytest.mark.parametrize(("height", "width"), SIZES[:6])
def test_it_is_read_after_the_codec(tmp_path, height, width):
    letters, top, left = marking.label(height, width)
    video_files.write_video(tmp_path / "a.mp4", marking.marked([pictures(height, width)[2]] * 3))
    for frame in video_files.iter_video(tmp_path / "a.mp4"):
        box = luminance(frame.picture)[top : top + letters.shape[0], left : left + letters.shape[1]]
        assert np.corrcoef(box.ravel(), letters.ravel())[0, 1] > 0.7
        assert contrast(box[letters > 0.9].mean(), box[letters == 0].mean()) > 4.5


def test_frames_come_one_by_one_in_their_own_sizes():
    asked = []

    def frames():
        for size in ((64, 64), (32, 96), (9, 7)):
            asked.append(size)
            yield np.full((*size, 3), 255, np.uint8)

    made = marking.marked(frames())
    assert asked == []
    for count, frame in enumerate(made, 1):
        assert len(asked) == count and frame.shape == (*asked[-1], 3) and frame.min() < 100
    with pytest.raises(ValueError, match=r"expected uint8 \(H, W, 3\) pictures, got float32 \(4, 4, 3\)"):
        next(marking.marked([np.zeros((4, 4, 3), np.float32)]))
