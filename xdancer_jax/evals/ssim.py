"""SSIM (Wang et al. 2004): how alike are two pictures in local means, deviations and correlation?

    ((2 m_x m_y + C1) (2 s_xy + C2)) / ((m_x^2 + m_y^2 + C1) (s_x^2 + s_y^2 + C2)), averaged over windows
"""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from scipy import ndimage

from xdancer_jax.evals.clips import Video
from xdancer_jax.evals.paired import each, paired_report
from xdancer_jax.evals.protocols import Result
from xdancer_jax.typing import typechecked


@dataclasses.dataclass(frozen=True)
class SSIM:
    """SSIM of frames (H, W, 3), uint8, over windows that lie wholly inside.

    Attributes:
      id: name of the protocol.
      window: "gaussian" of deviation 1.5 over 11 x 11, population covariance (Wang et al., torchmetrics); "uniform"
        over 7 x 7, sample covariance (scikit-image's default).
      colour: "channels", the mean over red, green and blue; "gray", of OpenCV's 8-bit gray.
      k1, k2: C = (k * 255)^2.
    """

    id: str = "ssim_gaussian"
    window: Literal["gaussian", "uniform"] = "gaussian"
    colour: Literal["channels", "gray"] = "channels"
    k1: float = 0.01
    k2: float = 0.03

    @typechecked
    def __call__(self, real: UInt8[np.ndarray, "H W 3"], made: UInt8[np.ndarray, "H W 3"]) -> float:
        """Of one frame, 1 for equal ones. Raises ValueError for pictures smaller than a window."""
        size = 11 if self.window == "gaussian" else 7
        if min(real.shape[:2]) < size:
            raise ValueError(f"{self.id}: pictures are {real.shape[0]} x {real.shape[1]}; {size} pixels are needed")
        if self.colour == "gray":
            return self._plane(gray(real), gray(made), size)
        return float(np.mean([self._plane(real[..., i], made[..., i], size) for i in range(3)]))

    def _plane(self, one: np.ndarray, other: np.ndarray, size: int) -> float:
        x, y = one.astype(np.float64), other.astype(np.float64)
        inside = (slice(size // 2, -(size // 2)),) * 2

        def mean(values: np.ndarray) -> np.ndarray:
            if self.window == "uniform":
                return ndimage.uniform_filter(values, size)[inside]
            return ndimage.gaussian_filter(values, 1.5, truncate=3.5)[inside]

        mx, my = mean(x), mean(y)
        sample = size**2 / (size**2 - 1) if self.window == "uniform" else 1.0
        sx, sy, sxy = (sample * (mean(a * b) - c) for a, b, c in ((x, x, mx * mx), (y, y, my * my), (x, y, mx * my)))
        c1, c2 = (self.k1 * 255) ** 2, (self.k2 * 255) ** 2
        ratio = (2 * mx * my + c1) * (2 * sxy + c2) / ((mx * mx + my * my + c1) * (sx + sy + c2))
        return float(ratio.mean())

    def report(self, real: Sequence[Video], made: Sequence[Video]) -> Result:
        """See `paired_report`."""
        return paired_report(self, real, made, each(self))


def disco() -> SSIM:
    """DisCo's: scikit-image's default on 8-bit gray pictures."""
    return SSIM("ssim_gray_disco", "uniform", "gray")


def gray(frame: np.ndarray) -> np.ndarray:
    """OpenCV's RGB to gray: 0.299, 0.587 and 0.114 in fixed point of 15 bits."""
    red, green, blue = np.moveaxis(frame.astype(np.int64), -1, 0)
    return ((9798 * red + 19235 * green + 3735 * blue + (1 << 14)) >> 15).astype(np.uint8)


__all__ = ["SSIM", "disco", "gray"]
