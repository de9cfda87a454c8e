"""Whose hand is it: a detected hand held against a body, both MediaPipe's landmarks in pixels.

A hand is (21, 3), a body (33, 4); x and y come first. `side` is "left" or "right", the dancer's own.
"""

from typing import Final

import numpy as np

from data_pipeline.pose_formats import MEDIAPIPE_BODY

# The palm as the hand model numbers it (wrist, index and little knuckle) and as the body model does.
_PALM: Final = (0, 5, 17)
_BODY_PALM: Final = {"left": (15, 19, 17), "right": (16, 20, 18)}


def arm(body: np.ndarray, side: str) -> float:
    """A length in pixels to measure hands by: the forearm, but at least half the torso, since a forearm that points
    at the camera looks short."""
    elbow, wrist = (body[MEDIAPIPE_BODY[f"{side}_{joint}"], :2] for joint in ("elbow", "wrist"))
    shoulders, hips = (
        (body[MEDIAPIPE_BODY[f"left_{joint}"], :2] + body[MEDIAPIPE_BODY[f"right_{joint}"], :2]) / 2
        for joint in ("shoulder", "hip")
    )
    return max(float(np.linalg.norm(wrist - elbow)), float(np.linalg.norm(shoulders - hips)) / 2, 1.0)


def palm_distance(hand: np.ndarray, body: np.ndarray, side: str) -> float:
    """Mean distance of the palm of `hand` to that of the body's `side`, in arm lengths."""
    gaps = np.linalg.norm(hand[list(_PALM), :2] - body[list(_BODY_PALM[side]), :2], axis=-1)
    return float(gaps.mean()) / arm(body, side)


def same_hand(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two detections, made in different crops, are one hand: their joints lie within a quarter of its size."""
    size = np.linalg.norm(np.ptp(a[:, :2], axis=0))
    return bool(np.linalg.norm(a[:, :2] - b[:, :2], axis=-1).mean() < size / 4)


__all__ = ["arm", "palm_distance", "same_hand"]
