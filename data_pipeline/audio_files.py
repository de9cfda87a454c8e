"""Sound out of files (PyAV).

Errors: FileNotFoundError for a missing file, ValueError for one that cannot be used; each is one line that names it.
"""

import os

import av
import numpy as np

from data_pipeline.containers import opened
from data_pipeline.files import existing

_COMPLETE = 0.95  # share of the announced length that must decode, else the file is called truncated


def read_audio(path: str | os.PathLike, sample_rate: int) -> np.ndarray:
    """The first sound track of any file PyAV decodes, (N,) float32 in [-1, 1], mixed to mono, at `sample_rate` Hz.

    Cover art (a picture stream) is ignored. Surround is mixed with FFmpeg's default matrix.
    """
    path = existing(path)
    with opened(path, "audio") as (container, stream):
        resampler = av.AudioResampler(format="flt", layout="mono", rate=sample_rate)
        blocks = []
        for frame in container.decode(stream):
            frame.pts = None  # gaps in the time stamps of a broken file must not become errors
            blocks += [block.to_ndarray()[0] for block in resampler.resample(frame)]
        if blocks:
            blocks += [block.to_ndarray()[0] for block in resampler.resample(None)]
        expected = _seconds(container, stream)
    audio = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    if audio.size == 0:
        raise ValueError(f"{path}: its audio stream holds no samples")
    if len(audio) / sample_rate < _COMPLETE * expected - 0.1:
        raise ValueError(f"{path}: truncated, {len(audio) / sample_rate:.1f} s of {expected:.1f} s of sound decode")
    return np.clip(audio, -1, 1).astype(np.float32)


def _seconds(container, stream) -> float:
    if stream.duration is not None:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else 0.0


__all__ = ["read_audio"]
