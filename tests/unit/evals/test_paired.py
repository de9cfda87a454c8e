import numpy as np
import pytest

from tests.unit.evals.test_clips import numbered
from xdancer_jax.evals.clips import Video, of_array
from xdancer_jax.evals.embedding import Embedder
from xdancer_jax.evals.lpips import LPIPS, disco_legacy
from xdancer_jax.evals.paired import each, paired_report
from xdancer_jax.evals.video_legacy import L1PerPixel, PSNRUint8
from xdancer_jax.evals.video_quality import PSNR, FrameL1


def test_means_over_frames_and_intervals_over_videos():
    real = [numbered("a", 3), numbered("b", 1)]
    made = [of_array(v.name, 30.0, np.minimum(v.read() + np.uint8(i + 1), 255)) for i, v in enumerate(real)]
    result = paired_report(FrameL1(), real, made, each(FrameL1()), chunk=2)
    assert result.values["score"] == pytest.approx((3 * 1 + 2) / 4 / 255)
    assert 1 / 255 <= result.values["low"] <= result.values["high"] <= 2 / 255 + 1e-12
    assert result.counts == {"videos": 2, "frames": 4, "pairs_too_short": 0, "pairs_unreadable": 0}
    assert result.source == {"fps": 30.0, "height": 2, "width": 3}


def test_an_unreadable_video_is_left_out_and_named_never_averaged():
    broken = Video("b", 30.0, (2, 2, 3), lambda: iter([np.zeros((2, 3, 3), np.uint8)]))
    result = paired_report(PSNR(), [numbered("a", 2), numbered("b", 2)], [numbered("a", 2), broken], each(PSNR()))
    assert result.values["score"] == 100 and result.counts["pairs_unreadable"] == 1
    assert result.notes == ("pairs: 1 left out, unreadable: b (1 frames can be read of 2)",)
    with pytest.raises(ValueError, match="no pair of 1 videos"):
        paired_report(PSNR(), [numbered("b", 2)], [broken], each(PSNR()))


def test_a_figure_that_is_no_number_names_its_frame():
    with pytest.raises(ValueError, match="psnr_float: a, frame 1: the figure is nan"):
        paired_report(PSNR(), [numbered("a", 2)], [numbered("a", 2)],
                      each(lambda real, made: float("nan") if real.max() else 0.0))


def test_a_fault_of_the_measure_is_no_unreadable_video():
    def measure(real, made):
        raise ValueError("of the measure")

    with pytest.raises(ValueError, match="of the measure"):
        paired_report(PSNR(), [numbered("a", 2)], [numbered("a", 2)], measure)


def test_lpips_feeds_its_range_in_one_shape():
    seen = []

    def run(real, made):
        seen.append((real.shape, float(made.max()), float(made.min())))
        return np.abs(real - made).mean(axis=(1, 2, 3))

    dark = of_array("a", 30.0, np.zeros((5, 2, 3, 3), np.uint8))
    light = of_array("a", 30.0, np.full((5, 2, 3, 3), 255, np.uint8))
    network = Embedder("distance", run)
    result = LPIPS().report([dark], [light], network, chunk=4)
    assert result.values["score"] == 2 and {shape for shape, _, _ in seen} == {(4, 2, 3, 3)}
    assert result.source["weights"] == "distance"
    assert disco_legacy().report([dark], [light], network).values["score"] == 1


def test_legacy_forms_wrap_and_divide_as_they_did():
    real = np.zeros((4, 5, 3), np.uint8)
    made = real + np.uint8(16)  # 16^2 is 0 in uint8
    assert PSNRUint8()(real, made) == 100
    assert PSNRUint8()(real, made + np.uint8(1)) == pytest.approx(20 * np.log10(255 / np.sqrt(17**2 - 256)))
    assert L1PerPixel()(real, made) == pytest.approx(16 / 20)
    assert PSNRUint8().id.endswith("legacy") and L1PerPixel().id.endswith("legacy")
