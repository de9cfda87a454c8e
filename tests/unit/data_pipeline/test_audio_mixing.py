"""Channels to mono."""

import av
import numpy as np
import pytest

from data_pipeline import audio_mixing

NOISE = np.random.default_rng(0).uniform(-0.9, 0.9, (6, 4096)).astype(np.float32)


def _mixed(channels, rate=16000, **settings):
    mix = audio_mixing.Mix(16000, len(channels), rate, **settings)
    for block in np.split(channels, 4, axis=1):
        mix.add(block)
    return mix, mix.finish()


@pytest.mark.parametrize("layout", [(1,), (1, 1), (1, 0), (1, 1, 0, 0, 0, 0), (0, 0, 1, 0, 0, 0), (1,) * 8])
def test_one_waveform_is_one_result_in_any_layout(layout):
    mix, audio = _mixed(np.float32(layout)[:, None] * NOISE[:1])
    np.testing.assert_allclose(audio, NOISE[0], atol=1e-6)
    assert not mix.cancels


def test_channels_are_averaged_and_clipped():
    np.testing.assert_allclose(_mixed(NOISE)[1], NOISE.mean(axis=0), atol=1e-6)
    assert np.abs(_mixed(3 * NOISE[:1])[1]).max() == 1
    assert not _mixed(np.zeros((2, 4096), np.float32))[1].any()


def test_channels_that_cancel_out_are_told_from_others():
    assert _mixed(np.stack([NOISE[0], -NOISE[0]]))[0].cancels
    assert _mixed(np.stack([NOISE[0], -NOISE[0] + 0.2 * NOISE[1]]))[0].cancels  # as after lossy coding
    assert not _mixed(NOISE)[0].cancels and not _mixed(np.zeros((2, 4096), np.float32))[0].cancels
    mix, audio = _mixed(np.stack([0.5 * NOISE[0], -NOISE[0]]), channel=1)
    np.testing.assert_allclose(audio, -NOISE[0], atol=1e-6)
    assert mix.loudest == 1 and not mix.cancels


def test_resampling_keeps_length_and_level():
    tone = 0.9 * np.sin(2 * np.pi * 440 * np.arange(16000) / 16000, dtype=np.float32)
    audio = _mixed(np.stack([tone, tone]), rate=44100)[1]
    assert abs(len(audio) - 44100) < 50 and np.abs(audio[2000:-2000]).max() == pytest.approx(0.9, abs=2e-3)


@pytest.mark.parametrize(
    ("kind", "values"),
    [("u8", [0, 128, 192]), ("s16", [-32768, 0, 16384]), ("s32p", [-(2**31), 0, 2**30]), ("fltp", [-1, 0, 0.5]),
     ("dbl", [-1, 0, 0.5])],
)  # fmt: skip
def test_samples_of_any_format_have_full_scale_one(kind, values):
    dtype = {"u8": "u1", "s16": "i2", "s32p": "i4", "fltp": "f4", "dbl": "f8"}[kind]
    array = np.stack([np.array(values, dtype)] * 2)
    array = array if kind.endswith("p") else np.ascontiguousarray(array.T.reshape(1, -1))
    samples = audio_mixing.samples(av.AudioFrame.from_ndarray(array, format=kind, layout="stereo"))
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, [[-1, 0, 0.5]] * 2)
