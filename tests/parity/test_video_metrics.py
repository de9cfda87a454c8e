"""Our figures beside independent implementations on the same arrays."""

import warnings

import numpy as np
import pytest

from xdancer_jax.evals import frechet, fvd, resize, ssim
from xdancer_jax.evals.identity import TEMPLATE, similarity
from xdancer_jax.evals.video_quality import PSNR, FrameL1


@pytest.fixture(scope="module")
def pair():
    rng = np.random.default_rng(0)
    one = rng.integers(0, 256, (40, 48, 3), dtype=np.uint8)
    return one, np.clip(one + rng.integers(-40, 40, one.shape), 0, 255).astype(np.uint8)


def test_ssim_and_psnr_beside_scikit_image(pair):
    metrics = pytest.importorskip("skimage.metrics", reason="needs scikit-image")
    ssim_of = metrics.structural_similarity
    settings = {"channel_axis": 2, "gaussian_weights": True, "use_sample_covariance": False, "data_range": 255}
    assert ssim.SSIM()(*pair) == pytest.approx(ssim_of(*pair, **settings), abs=1e-9)
    grays = [ssim.gray(frame) for frame in pair]
    assert ssim.disco()(*pair) == pytest.approx(ssim_of(*grays), abs=1e-9)
    assert PSNR()(*pair) == pytest.approx(metrics.peak_signal_noise_ratio(*pair), abs=1e-9)


def test_ssim_psnr_and_l1_beside_torchmetrics(pair):
    torch = pytest.importorskip("torch", reason="needs torch and torchmetrics")
    theirs = pytest.importorskip("torchmetrics.functional", reason="needs torch and torchmetrics")
    one, other = (torch.from_numpy(frame / 255).permute(2, 0, 1)[None].contiguous() for frame in pair)
    whole = theirs.image.structural_similarity_index_measure(one, other, data_range=1.0, return_full_image=True)[1]
    # Their own mean counts windows that reach over the border, too.
    assert ssim.SSIM()(*pair) == pytest.approx(float(whole[..., 5:-5, 5:-5].mean()), abs=1e-6)
    peak = float(theirs.image.peak_signal_noise_ratio(one, other, data_range=1.0))
    assert PSNR()(*pair) == pytest.approx(peak, abs=1e-5)
    assert FrameL1()(*pair) == pytest.approx(float(theirs.mean_absolute_error(one, other)), abs=1e-7)


def test_bilinear_beside_torch_and_cd_fvds_frames():
    torch = pytest.importorskip("torch", reason="needs torch")
    frames = np.random.default_rng(0).integers(0, 256, (2, 37, 53, 3), dtype=np.uint8)
    planes = torch.from_numpy(frames).permute(0, 3, 1, 2).float()
    for size in ((224, 224), (20, 31)):
        want = torch.nn.functional.interpolate(planes, size=size, mode="bilinear", align_corners=False)
        assert np.abs(want.permute(0, 2, 3, 1).numpy() - resize.bilinear(frames, *size)).max() / 255 < 1e-5
    theirs = pytest.importorskip("cdfvd.third_party.i3d.utils", reason="needs the package cd-fvd")
    want = theirs.preprocess_i3d(frames[None])[0].permute(1, 2, 3, 0).numpy()
    assert np.abs(fvd.cdfvd().prepare(frames) - want).max() < 1e-5


@pytest.mark.parametrize("samples", [300, 12])
def test_frechet_beside_pytorch_fid_and_cd_fvd(samples):
    """1/N as cd-fvd's sums have it; with fewer samples than features only where theirs is defined."""
    rng = np.random.default_rng(0)
    one = rng.standard_normal((samples, 24)) @ rng.standard_normal((24, 24))
    other = one[::-1] * 1.1 + rng.standard_normal((samples, 24)) * 0.5 + 0.3
    theirs = pytest.importorskip("cdfvd.third_party.i3d.utils", reason="needs the package cd-fvd")
    torch = pytest.importorskip("torch")
    want = float(theirs.frechet_distance(torch.from_numpy(one), torch.from_numpy(other)))
    assert frechet.Frechet(ddof=1)(one, other) == pytest.approx(want, rel=1e-5)
    fid = pytest.importorskip("pytorch_fid.fid_score", reason="needs the package pytorch-fid")
    if samples > 24:
        moments = [f(x) for x in (one, other) for f in (lambda x: x.mean(axis=0), lambda x: np.cov(x, rowvar=False))]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # scipy's, of sqrtm's old keyword
            try:
                want = fid.calculate_frechet_distance(*moments)
            except TypeError:
                pytest.skip("pytorch-fid does not run with this scipy")
        assert frechet.Frechet(ddof=1)(one, other) == pytest.approx(want, rel=1e-5)


def test_alignment_beside_scikit_image():
    transform = pytest.importorskip("skimage.transform", reason="needs scikit-image")
    places = np.asarray(TEMPLATE) * 1.3 + np.random.default_rng(0).normal(0, 4, (5, 2)) + [20, -9]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = transform.SimilarityTransform()
        theirs.estimate(places, np.asarray(TEMPLATE))
    np.testing.assert_allclose(similarity(places, np.asarray(TEMPLATE)), theirs.params[:2], atol=1e-9)
