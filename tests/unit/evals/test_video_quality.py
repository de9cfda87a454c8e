import numpy as np
import pytest

from xdancer_jax.evals.video_quality import PSNR, FrameL1, repeat_photo, video_report


def test_psnr_by_hand_and_free_of_uint8_wrapping():
    target = np.zeros((2, 4, 4, 3), np.uint8)
    frames = target.copy()
    frames[0] = 200  # 200^2 wraps in uint8
    frames[1] = 51
    first, second = -20 * np.log10(200 / 255), -20 * np.log10(0.2)
    assert PSNR()(frames, target) == PSNR()(target, frames) == pytest.approx((first + second) / 2)
    pooled = -10 * np.log10(((200 / 255) ** 2 + 0.2**2) / 2)
    assert PSNR(reduction="pooled")(frames, target) == pytest.approx(pooled)
    assert PSNR()(frames / 255, target) == pytest.approx((first + second) / 2)
    assert FrameL1()(frames, target) == pytest.approx((200 / 255 + 0.2) / 2)


def test_identical_frames_are_capped_frame_by_frame():
    frames = np.full((2, 2, 2, 3), 0.5, np.float32)
    target = frames.copy()
    target[1] = 0.6
    assert PSNR()(frames, frames) == 100
    assert PSNR()(frames, target) == pytest.approx((100 + 20) / 2, abs=1e-4)


def test_frames_out_of_range_are_refused():
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        PSNR()(np.full((2, 2, 3), 2.0, np.float32), np.zeros((2, 2, 3), np.float32))
    with pytest.raises(ValueError, match="int64"):
        FrameL1()(np.zeros((2, 2, 3), np.int64), np.zeros((2, 2, 3), np.float32))


def test_report_sets_the_photo_beside_the_model():
    rng = np.random.default_rng(0)
    target = rng.uniform(size=(2, 5, 4, 4, 3)).astype(np.float32)
    reference = target[:, 0]
    assert repeat_photo(reference, 5).shape == target.shape
    result = video_report(PSNR(), repeat_photo(reference, 5), target, reference)
    assert result.values["score"] == result.values["repeat_photo"]
    assert result.counts == {"frames": 10, "height": 4, "width": 4}
    assert video_report(PSNR(), target, target, reference).values["score"] == 100
