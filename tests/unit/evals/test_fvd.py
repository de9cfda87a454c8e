import dataclasses
import json

import numpy as np
import pytest

from xdancer_jax.evals import fid_vid, frechet, fvd
from xdancer_jax.evals.clips import Cut, of_array
from xdancer_jax.evals.embedding import Embedder

PROTOCOLS = [fvd.styleganv(), fvd.videogpt(), fvd.disco(), fvd.cdfvd()]
FID = [fid_vid.resnet50_disco(), fid_vid.resnext101(), fid_vid.resnext101_legacy()]
NETWORK = Embedder("corners", lambda pixels: pixels[:, ::8, :2, :2, 0].reshape(len(pixels), -1))


def videos(seed, count=4, frames=18):
    rng = np.random.default_rng(seed)
    return [of_array(str(i), 30.0, rng.integers(0, 256, (frames, 8, 6, 3), dtype=np.uint8)) for i in range(count)]


def small(protocol):
    """Few clips, tiny frames and a short interval."""
    cuts = {
        field: dataclasses.replace(cut, total=min(cut.total, 6) if cut.total else None)
        for field, cut in vars(protocol).items() if isinstance(cut, Cut)
    }
    form = dataclasses.replace(protocol.frechet, samples=min(protocol.frechet.samples, 5))
    return dataclasses.replace(protocol, size=8, frechet=form, **cuts)


@pytest.mark.parametrize("protocol", [*PROTOCOLS, *FID], ids=lambda protocol: protocol.id)
def test_a_side_against_itself_is_near_and_against_another_far(protocol):
    same = small(protocol)(videos(0), videos(0), NETWORK)
    other = small(protocol)(videos(0), videos(1), NETWORK)
    assert other.values["distance"] > same.values["distance"] >= 0
    assert other.source == {"weights": "corners", "fps": 30.0, "height": 8, "width": 6}
    assert any("wants" in note for note in other.notes)  # far fewer clips than the protocol has
    constants = json.loads(other.as_json())["constants"]
    assert constants["frechet"]["ddof"] == protocol.frechet.ddof and constants["weights"] == protocol.weights


def test_the_constants_of_the_sources():
    said = {p.id: (p.resize, p.pixels, p.epsilon, p.pool_frames, p.frechet.ddof) for p in PROTOCOLS}
    assert said == {
        "fvd_styleganv_2048_16f": ("bilinear", "minus_one_to_one", 1e-3, 2, 0),
        "fvd_videogpt": ("bilinear_crop", "minus_half_to_half", 1e-5, 2, 1),
        "fvd_disco": ("bicubic_pil", "minus_one_to_one", 1e-3, 1, 1),
        "fvd_cdfvd": ("bilinear", "minus_one_to_one", 1e-5, 2, 0),
    }


def test_the_distance_is_that_of_the_clips_by_hand():
    protocol = small(fvd.disco())
    real, made = videos(0), videos(1)
    rows = []
    for side in (made, real):
        clips = np.concatenate([
            np.stack([protocol.prepare(video.read()[start : start + 16]) for start in range(18 - 16)])
            for video in side
        ])
        rows.append(NETWORK.run(clips).astype(np.float64))
    want = frechet.Frechet(ddof=1)(*rows)
    assert protocol(real, made, NETWORK).values["distance"] == pytest.approx(want, rel=1e-9)


def test_segments_are_averaged_by_video():
    protocol = small(fid_vid.resnet50_disco())
    result = protocol(videos(0, frames=20), videos(1, frames=20), NETWORK)
    assert result.counts["samples"] == result.counts["real"] == 4
    clips = dataclasses.replace(protocol, sample="clip")
    assert clips(videos(0, frames=20), videos(1, frames=20), NETWORK).counts["samples"] == 8


def test_what_is_left_out_is_counted_and_named():
    real, made = videos(0), [*videos(1), of_array("brief", 30.0, np.zeros((3, 8, 6, 3), np.uint8))]
    result = small(fvd.cdfvd())(real, made, NETWORK)
    assert result.counts["made_too_short"] == 1 and result.counts["real_too_short"] == 0
    assert any("brief (3 frames, 16 needed)" in note for note in result.notes)


def test_one_clip_is_no_distribution():
    with pytest.raises(ValueError, match="two or more"):
        small(fvd.videogpt())(videos(0), videos(1, count=1), NETWORK)


def test_random_weights_are_said_to_be_random():
    network = dataclasses.replace(NETWORK, weights="random 0")
    assert any("random weights" in note for note in small(fvd.disco())(videos(0), videos(1), network).notes)
