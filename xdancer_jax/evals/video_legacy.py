"""PSNR and L1 as DisCo's first code had them: for its old tables alone, never for a comparison of our own."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from xdancer_jax.evals.clips import Video
from xdancer_jax.evals.paired import each, paired_report
from xdancer_jax.evals.protocols import Result
from xdancer_jax.typing import typechecked


@dataclasses.dataclass(frozen=True)
class PSNRUint8:
    """Differences and squares are taken in uint8 and wrap round, which mostly inflates the figure.

    Attributes:
      identical: dB of frames whose wrapped squares are all 0.
    """

    id: str = "psnr_uint8_disco_legacy"
    identical: float = 100.0

    @typechecked
    def __call__(self, real: UInt8[np.ndarray, "H W 3"], made: UInt8[np.ndarray, "H W 3"]) -> float:
        error = float(np.mean((made - real) ** 2))
        return self.identical if error == 0 else 20 * float(np.log10(255 / np.sqrt(error)))

    def report(self, real: Sequence[Video], made: Sequence[Video]) -> Result:
        """See `paired_report`."""
        return paired_report(self, real, made, each(self))


@dataclasses.dataclass(frozen=True)
class L1PerPixel:
    """Mean absolute difference of 8-bit values, divided by the number of pixels once more: near 1e-5, and smaller the
    larger the picture."""

    id: str = "l1_per_pixel_disco_legacy"

    @typechecked
    def __call__(self, real: UInt8[np.ndarray, "H W 3"], made: UInt8[np.ndarray, "H W 3"]) -> float:
        return float(np.abs(made.astype(np.float64) - real).mean() / (real.shape[0] * real.shape[1]))

    def report(self, real: Sequence[Video], made: Sequence[Video]) -> Result:
        """See `paired_report`."""
        return paired_report(self, real, made, each(self))


__all__ = ["L1PerPixel", "PSNRUint8"]
