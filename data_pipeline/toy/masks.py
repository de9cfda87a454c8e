"""Where shirt, trousers and skin are in the pictures of a clip, for who compares colours."""

import dataclasses
from typing import Final

import numpy as np

from data_pipeline.toy.clip import performed
from data_pipeline.toy.render import render

GARMENTS: Final = ("shirt", "trousers", "skin")
_COLORS: Final = ("skin", "hair", "shirt", "trousers", "shoes", "wall", "ground", "decor")
_SURE: Final = 200  # of 255: shaded sleeves and trousers have 204 and more, pixels on an edge less


def garments(
    seed: int, index: int, split: str, num_frames: int, height: int, width: int
) -> dict[str, np.ndarray]:
    """(F, H, W) bool of each of GARMENTS, pixels that show little else, of the clip that make_clip gives for the same
    arguments."""
    _, dancer, motion = performed(seed, index, split, num_frames, width / height)
    black = {name: (0, 0, 0) for name in _COLORS}
    return {
        name: render(
            motion.joints, dataclasses.replace(dancer, **black | {name: (255, 255, 255)}), height, width
        ).min(axis=-1) >= _SURE
        for name in GARMENTS
    }  # fmt: skip


__all__ = ["GARMENTS", "garments"]
