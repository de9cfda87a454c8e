"""LPIPS of made frames beside true ones (xdancer_jax/evals/networks/perceptual.py): 0 for equal pictures."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np

from xdancer_jax.evals.clips import Video
from xdancer_jax.evals.embedding import Embedder
from xdancer_jax.evals.paired import paired_report
from xdancer_jax.evals.protocols import Result


@dataclasses.dataclass(frozen=True)
class LPIPS:
    """One protocol; all are of version 0.1.

    Attributes:
      id: its name.
      backbone: alex, vgg or squeeze, with its linear heads.
      pixels: range that frames are scaled to: the networks want "minus_one_to_one".
    """

    id: str = "lpips_alex"
    backbone: Literal["alex", "vgg", "squeeze"] = "alex"
    pixels: Literal["minus_one_to_one", "zero_to_one"] = "minus_one_to_one"

    def prepare(self, frames: np.ndarray) -> np.ndarray:
        """Frames (n, H, W, 3), uint8, for the network."""
        unit = frames.astype(np.float32) / 255
        return 2 * unit - 1 if self.pixels == "minus_one_to_one" else unit

    def report(self, real: Sequence[Video], made: Sequence[Video], network: Embedder, chunk: int = 8) -> Result:
        """See `paired_report`. `network` takes true and made frames and has this protocol's backbone."""

        def measure(true: np.ndarray, ours: np.ndarray) -> np.ndarray:
            missing = [(0, chunk - len(true)), (0, 0), (0, 0), (0, 0)]  # the same shape every time
            return network.run(*(np.pad(self.prepare(side), missing) for side in (true, ours)))[: len(true)]

        found = paired_report(self, real, made, measure, chunk)
        return dataclasses.replace(found, source={**found.source, "weights": network.weights})


def vgg() -> LPIPS:
    """On VGG-16, as most video papers print it."""
    return LPIPS("lpips_vgg", "vgg")


def squeeze() -> LPIPS:
    """On SqueezeNet 1.1."""
    return LPIPS("lpips_squeeze", "squeeze")


def disco_legacy() -> LPIPS:
    """For tables by DisCo's code alone: VGG-16 over pixels in [0, 1], where it wants [-1, 1]."""
    return LPIPS("lpips_vgg_01_disco_legacy", "vgg", "zero_to_one")


__all__ = ["LPIPS", "disco_legacy", "squeeze", "vgg"]
