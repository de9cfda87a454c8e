"""Poses as numbers and as pictures: coordinates, resampling in time, the paper's crop, drawn skeletons.

Pixel coordinates: x right, y down, 0 at the left and top edge. Record coordinates: centred on the frame and divided by
half its height, so that the aspect ratio is kept. Confidence is left as it is by all of them.
"""

import colorsys
from typing import Final

import numpy as np
from PIL import Image, ImageDraw

from data_pipeline.frame_times import SAME
from data_pipeline.skeleton import BODY_JOINTS, BODY_LIMBS, HAND_LIMBS, LEFT_HAND_START, NUM_JOINTS

VISIBLE: Final = 0.3  # joints at or below this confidence are not drawn and do not shape a crop
_MARGIN: Final = 0.1  # of the person's box, kept on each side when a crop cuts the height


def normalise(poses: np.ndarray, height: float, width: float) -> np.ndarray:
    """Pixels (..., J, 3) to record coordinates of a height x width frame, float32."""
    centre = np.array([width / 2, height / 2])
    xy = (poses[..., :2] - centre) / (height / 2)
    return np.concatenate([xy, poses[..., 2:]], axis=-1).astype(np.float32)


def denormalise(poses: np.ndarray, height: float, width: float) -> np.ndarray:
    """Record coordinates (..., J, 3) to pixels of a height x width frame, float32."""
    xy = poses[..., :2] * (height / 2) + np.array([width / 2, height / 2])
    return np.concatenate([xy, poses[..., 2:]], axis=-1).astype(np.float32)


def grid(times: np.ndarray, fps: float = 30) -> np.ndarray:
    """The multiples of 1 / fps up to the last of `times`, seconds increasing from 0; one at most SAME after it too."""
    return np.arange(int((times[-1] + SAME) * fps) + 1) / fps


def resample(poses: np.ndarray, times: np.ndarray, target_fps: float = 30) -> np.ndarray:
    """Poses (F, J, 3) shown at `times` (F,) seconds, increasing from 0, to the multiples of 1 / target_fps up to the
    last: linear in x and y; the lower of the two neighbours' confidences. A frame at most SAME away counts as there."""
    if len(poses) == 0 or len(times) != len(poses) or target_fps <= 0:
        raise ValueError(f"poses: cannot resample {len(poses)} frames at {len(times)} times to {target_fps} fps")
    wanted = grid(times, target_fps)
    high = np.clip(np.searchsorted(times, wanted - SAME), 0, len(times) - 1)  # the first that is not before
    low = np.where(times[high] > wanted + SAME, np.maximum(high - 1, 0), high)
    span = np.where(high > low, times[high] - times[low], 1)
    weight = np.where(high > low, (wanted - times[low]) / span, 0)[:, None, None].astype(np.float32)
    xy = poses[low, :, :2] * (1 - weight) + poses[high, :, :2] * weight
    confidence = np.minimum(poses[low, :, 2:], poses[high, :, 2:])
    return np.concatenate([xy, confidence], axis=-1).astype(np.float32)


def person_box(poses: np.ndarray) -> tuple[float, float, float, float]:
    """(x0, y0, x1, y1) around the visible joints of pixels (..., J, 3). Raises ValueError where none is visible."""
    joints = poses.reshape(-1, 3)
    seen = joints[(joints[:, 2] > VISIBLE) & np.isfinite(joints).all(axis=-1), :2]
    if len(seen) == 0:
        raise ValueError(f"poses: no joint has a confidence above {VISIBLE}; choose a picture with a visible person")
    return (*seen.min(axis=0).tolist(), *seen.max(axis=0).tolist())


def crop_box(poses: np.ndarray, height: int, width: int, aspect: float = 896 / 512) -> tuple[int, int, int, int]:
    """The centre crop of the paper: a box of `aspect` (height / width) around the person, as large as it can be.

    A picture too wide keeps its height; the box is centred on the person and clamped to the picture. A picture too
    narrow keeps its width and is cut above and below, likewise, if the person with a 10% margin fits in; otherwise it
    keeps its height and the box overhangs both sides equally (`crop_image` repeats the edge pixels there).

    Args:
        poses: (..., J, 3) pixels; of all frames of a clip, so that the whole clip shares one box.

    Returns:
        (x0, y0, x1, y1) pixels, x0 < 0 and x1 > width where it overhangs.
    """
    left, top, right, bottom = person_box(poses)
    if height / width <= aspect:
        size = min(width, round(height / aspect))
        x0 = _clamp((left + right - size) / 2, width - size)
        return x0, 0, x0 + size, height
    size = min(height, round(width * aspect))
    if (bottom - top) * (1 + 2 * _MARGIN) <= size:
        y0 = _clamp((top + bottom - size) / 2, height - size)
        return 0, y0, width, y0 + size
    size = round(height / aspect)
    x0 = (width - size) // 2
    return x0, 0, x0 + size, height


def _clamp(start: float, limit: int) -> int:
    return int(np.clip(round(start), 0, limit))


def crop_poses(poses: np.ndarray, box: tuple[int, int, int, int], height: int, width: int) -> np.ndarray:
    """Pixels of the picture (..., J, 3) to pixels of the crop resized to height x width."""
    x0, y0, x1, y1 = box
    scale = np.array([width / (x1 - x0), height / (y1 - y0)])
    xy = (poses[..., :2] - np.array([x0, y0])) * scale
    return np.concatenate([xy, poses[..., 2:]], axis=-1).astype(np.float32)


def crop_image(image: np.ndarray, box: tuple[int, int, int, int], height: int, width: int) -> np.ndarray:
    """Cuts the box out of (H, W, 3) uint8 and resizes it to height x width; edge pixels are repeated outside."""
    x0, y0, x1, y1 = box
    before, after = (max(0, -y0), max(0, -x0)), (max(0, y1 - image.shape[0]), max(0, x1 - image.shape[1]))
    if any(before + after):
        image = np.pad(image, ((before[0], after[0]), (before[1], after[1]), (0, 0)), mode="edge")
    cut = image[y0 + before[0] : y1 + before[0], x0 + before[1] : x1 + before[1]]
    return np.asarray(Image.fromarray(cut).resize((width, height), Image.Resampling.LANCZOS))


def _rainbow(count: int, value: float) -> list[tuple[int, int, int]]:
    return [tuple(int(255 * c) for c in colorsys.hsv_to_rgb(i / count, 1, value)) for i in range(count)]


_JOINT_COLOURS: Final = _rainbow(len(BODY_JOINTS), 1.0) + [(0, 0, 255)] * (NUM_JOINTS - LEFT_HAND_START)
_LIMB_COLOURS: Final = (
    *zip(BODY_LIMBS, _rainbow(len(BODY_LIMBS), 0.6), strict=True),
    *zip(HAND_LIMBS, _rainbow(len(HAND_LIMBS) // 2, 1.0) * 2, strict=True),
)


def default_line_width(height: int) -> int:
    """4 pixels at 512 rows, as DWPose draws, at least 1."""
    return max(1, round(height / 128))


def draw(poses: np.ndarray, height: int, width: int, line_width: int | None = None) -> np.ndarray:
    """Skeletons in the manner of OpenPose: rainbow limbs, darker than the joints; hands thinner, their joints blue.

    Args:
        poses: (..., 60, 3) in record coordinates. A limb needs both its joints above confidence 0.3.
        line_width: pixels, for the body; default `default_line_width(height)`.

    Returns:
        (..., height, width, 3) uint8 on black.
    """
    canvas = np.zeros((*poses.shape[:-2], height, width, 3), np.uint8)
    return overlay(canvas, poses, line_width)


def overlay(frames: np.ndarray, poses: np.ndarray, line_width: int | None = None) -> np.ndarray:
    """Draws poses (..., 60, 3), record coordinates, over a copy of the frames (..., H, W, 3) uint8. See `draw`."""
    height, width = frames.shape[-3:-1]
    if frames.shape[:-3] != poses.shape[:-2] or poses.shape[-2:] != (NUM_JOINTS, 3):
        raise ValueError(f"poses: {poses.shape} do not match frames {frames.shape}; expected (..., {NUM_JOINTS}, 3)")
    line_width = line_width or default_line_width(height)
    pixels = denormalise(poses, height, width).reshape(-1, NUM_JOINTS, 3)
    pictures = frames.reshape(-1, height, width, 3)
    drawn = [_draw_one(picture, pose, line_width) for picture, pose in zip(pictures, pixels, strict=True)]
    return np.stack(drawn).reshape(frames.shape) if drawn else frames.copy()


def _draw_one(picture: np.ndarray, pose: np.ndarray, line_width: int) -> np.ndarray:
    image = Image.fromarray(picture)
    pen = ImageDraw.Draw(image)
    visible = ((pose[:, 2] > VISIBLE) & np.isfinite(pose).all(axis=-1)).tolist()
    # Far outside any picture Pillow is slow and overflows; the clip keeps directions good enough at the border.
    points = np.clip(np.nan_to_num(pose[:, :2]), -1e4, 1e4).tolist()
    thin = max(1, line_width // 2)
    for (a, b), colour in _LIMB_COLOURS:
        if visible[a] and visible[b]:
            width = line_width if a < LEFT_HAND_START else thin
            pen.line((*points[a], *points[b]), fill=colour, width=width)
    for i, (x, y) in enumerate(points):
        if visible[i]:
            radius = (line_width if i < LEFT_HAND_START else thin) / 2
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=_JOINT_COLOURS[i])
    return np.asarray(image)
