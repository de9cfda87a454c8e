"""Frames of sound of one rate and one number of channels, mixed to mono and resampled as they come."""

from typing import Final

import av
import numpy as np

_SILENT: Final = 1e-6  # of the loudest channel's power: -60 dB
_CANCELLED: Final = 0.25  # of the power that channels leave which have nothing to do with each other


def samples(frame: av.AudioFrame) -> np.ndarray:
    """The samples of a decoded frame as (C, N) float32, full scale 1."""
    array = frame.to_ndarray()
    if not frame.format.is_planar:
        array = array.reshape(-1, frame.layout.nb_channels).T
    if array.dtype == np.uint8:
        return (array.astype(np.float32) - 128) / 128
    if array.dtype.kind == "i":
        return (array / -float(np.iinfo(array.dtype).min)).astype(np.float32)
    return array.astype(np.float32)


class Mix:
    """The average of all channels that hold sound, so that one waveform is one result in any layout, at gain 1.

    Of 5.1 too each channel counts alike, the one for low frequencies among them. `channel`: that channel alone.
    """

    def __init__(self, rate: int, channels: int, sample_rate: int, channel: int | None = None):
        self.rate, self.channels = rate, channels
        self._channel = channel
        self._resampler = av.AudioResampler(format="flt", layout="mono", rate=sample_rate)
        self._blocks: list[np.ndarray] = []
        self._power = np.zeros(channels)
        self._mixed_power = 0.0

    def add(self, frame: np.ndarray) -> None:
        """Takes (C, N) float32. Beyond full scale it is clipped."""
        mono = frame.mean(axis=0) if self._channel is None else frame[self._channel]
        self._power += np.square(frame, dtype=np.float64).sum(axis=1)
        self._mixed_power += np.square(mono, dtype=np.float64).sum()
        block = av.AudioFrame.from_ndarray(np.clip(mono, -1, 1)[None], format="flt", layout="mono")
        block.sample_rate = self.rate
        self._blocks += [out.to_ndarray()[0] for out in self._resampler.resample(block)]

    def finish(self) -> np.ndarray:
        """(N,) float32 in [-1, 1], of what was not taken; once, after all frames."""
        self._blocks += [out.to_ndarray()[0] for out in self._resampler.resample(None)]
        return self.take(self.gain)

    def take(self, gain: np.float32) -> np.ndarray:
        """(N,) float32 in [-1, 1]: what was mixed since the last time, at `gain`, which the end of the sound tells."""
        audio = np.concatenate(self._blocks) if self._blocks else np.zeros(0, np.float32)
        self._blocks = []
        audio *= gain  # in place: a long song is hundreds of megabytes
        return np.clip(audio, -1, 1, out=audio)

    @property
    def gain(self) -> np.float32:
        """Of the average, by the frames so far: channels without sound do not count."""
        if self._channel is not None or not self._power.any():
            return np.float32(1)
        return np.float32(self.channels / np.sum(self._power > _SILENT * self._power.max()))

    @property
    def cancels(self) -> bool:
        """Whether the channels are each other's negatives, so that little of them is left in the average."""
        independent = self._power.sum() / self.channels**2
        return self._channel is None and self._mixed_power < _CANCELLED * independent

    @property
    def loudest(self) -> int:
        return int(self._power.argmax())


__all__ = ["Mix", "samples"]
