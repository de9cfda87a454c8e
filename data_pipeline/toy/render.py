"""Draws the figure: clothed limbs over a plain stage, with Pillow, at three times the size and then reduced."""

import numpy as np
from PIL import Image, ImageDraw

from data_pipeline.skeleton import INDEX, LEFT_HAND_START, RIGHT_HAND_START
from data_pipeline.toy.figure import Color, Dancer

_SUPERSAMPLE = 3


def _shade(color: Color, factor: float) -> Color:
    return tuple(int(min(255, c * factor)) for c in color)


def _ellipse(draw: ImageDraw.ImageDraw, center: np.ndarray, rx: float, ry: float, color: Color) -> None:
    x, y = float(center[0]), float(center[1])
    draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=color)


def _limb(draw: ImageDraw.ImageDraw, points: np.ndarray, width: float, color: Color) -> None:
    flat = [float(v) for v in points[:, :2].ravel()]
    draw.line(flat, fill=color, width=max(1, round(width)))
    for point in points:
        _ellipse(draw, point, width / 2, width / 2, color)


def _background(dancer: Dancer, height: int, width: int) -> Image.Image:
    image = Image.new("RGB", (width, height), dancer.wall)
    draw = ImageDraw.Draw(image)
    x0, y0, x1, y1 = (v * s for v, s in zip(dancer.decor_box, (width, height, width, height), strict=True))
    if dancer.decor_shape == 1:
        draw.ellipse((x0, y0, x1, y1), fill=dancer.decor)
    elif dancer.decor_shape == 2:
        draw.rectangle((x0, y0, x1, y1), fill=dancer.decor)
    draw.rectangle((0, dancer.horizon * height, width, height), fill=dancer.ground)
    return image


def _leg(draw: ImageDraw.ImageDraw, p: np.ndarray, name: str, unit: float, dancer: Dancer) -> None:
    shade = 0.85 if name == "right" else 1.0
    hip, knee, ankle = (p[INDEX[f"{name}_{joint}"]] for joint in ("hip", "knee", "ankle"))
    girth = unit * dancer.girth
    toe = ankle + np.array([(-1 if name == "right" else 1) * 0.022 * unit, 0.018 * unit, 0.0])
    _limb(draw, np.stack([ankle, toe]), 0.055 * unit, dancer.shoes)
    color = _shade(dancer.trousers, shade)
    _limb(draw, np.stack([hip, knee]), 0.095 * girth, color)
    _limb(draw, np.stack([knee, ankle]), 0.075 * girth, color)


def _arm(draw: ImageDraw.ImageDraw, p: np.ndarray, name: str, unit: float, dancer: Dancer) -> None:
    shoulder, elbow, wrist = (p[INDEX[f"{name}_{joint}"]] for joint in ("shoulder", "elbow", "wrist"))
    girth = unit * dancer.girth
    _limb(draw, np.stack([elbow, wrist]), 0.05 * girth, dancer.skin)
    _limb(draw, np.stack([shoulder, elbow]), 0.065 * girth, _shade(dancer.shirt, 0.8))
    start = LEFT_HAND_START if name == "left" else RIGHT_HAND_START
    hand = p[start : start + 21]
    draw.polygon([(float(x), float(y)) for x, y, _ in hand[[0, 1, 5, 9, 13, 17]]], fill=dancer.skin)
    for finger in range(5):
        _limb(draw, hand[1 + 4 * finger : 5 + 4 * finger], 0.02 * unit, dancer.skin)


def _up(p: np.ndarray) -> np.ndarray:
    """From the neck to the skull, of length one in the image."""
    up = (p[INDEX["left_ear"]] + p[INDEX["right_ear"]]) / 2 - p[INDEX["neck"]]
    return up / max(float(np.linalg.norm(up[:2])), 1e-6)


def _head(draw: ImageDraw.ImageDraw, p: np.ndarray, unit: float, dancer: Dancer) -> None:
    skull = (p[INDEX["left_ear"]] + p[INDEX["right_ear"]]) / 2
    face = p[INDEX["nose"]] - skull
    r = dancer.head * unit
    up = _up(p)
    turned = face - up * float(face[:2] @ up[:2])  # the part of the gaze that goes to the side
    _ellipse(draw, skull + 0.12 * up * r - 0.12 * turned, 1.12 * r, 1.15 * r, dancer.hair)
    _ellipse(draw, skull - 0.12 * up * r + 0.25 * turned, 0.86 * r, 0.95 * r, dancer.skin)
    for name in ("right_eye", "left_eye"):
        if p[INDEX[name], 2] - skull[2] > 0.25 * r:
            _ellipse(draw, p[INDEX[name]], 0.14 * r, 0.18 * r, (20, 20, 20))
    _ellipse(draw, p[INDEX["nose"]], 0.1 * r, 0.12 * r, _shade(dancer.skin, 0.7))
    _ellipse(draw, p[INDEX["nose"]] - 0.35 * up * r, 0.25 * r, 0.07 * r, (150, 40, 40))


def _figure(image: Image.Image, p: np.ndarray, unit: float, dancer: Dancer) -> None:
    """`p` are the joints in pixels, depth in the same unit; `unit` is the stature in pixels."""
    draw = ImageDraw.Draw(image)
    for name in ("right", "left"):
        _leg(draw, p, name, unit, dancer)
    middle = (p[INDEX["left_hip"], 2] + p[INDEX["neck"], 2]) / 2
    far = [s for s in ("right", "left") if p[INDEX[f"{s}_wrist"], 2] < middle - 0.03 * unit]
    for name in far:
        _arm(draw, p, name, unit, dancer)
    neck, right, left = p[INDEX["neck"]], p[INDEX["right_shoulder"]], p[INDEX["left_shoulder"]]
    skull = (p[INDEX["left_ear"]] + p[INDEX["right_ear"]]) / 2
    if dancer.hair_length:
        tips = skull - _up(p) * dancer.hair_length * dancer.head * unit
        _limb(draw, np.stack([skull, tips]), 2.3 * dancer.head * unit, dancer.hair)
    hips = p[[INDEX["left_hip"], INDEX["right_hip"]]]
    _limb(draw, np.stack([neck, skull]), 0.05 * unit, dancer.skin)
    outline = np.stack([right, left, hips[0], hips[1], right])
    draw.polygon([(float(x), float(y)) for x, y, _ in outline], fill=dancer.shirt)
    _limb(draw, outline, 0.07 * unit * dancer.girth, dancer.shirt)
    _limb(draw, hips, 0.085 * unit * dancer.girth, dancer.trousers)
    _head(draw, p, unit, dancer)
    for name in ("right", "left"):
        if name not in far:
            _arm(draw, p, name, unit, dancer)


def render(joints: np.ndarray, dancer: Dancer, height: int, width: int, subframes: int = 1) -> np.ndarray:
    """(F, 60, 3) joints of Motion -> (F, height, width, 3) uint8; `subframes` > 1 blurs over half a frame's time."""
    scale = _SUPERSAMPLE * height / 2
    pixels = joints * scale
    pixels[..., :2] += np.array([_SUPERSAMPLE * width / 2, scale])
    velocity = np.gradient(pixels, axis=0) if subframes > 1 else np.zeros_like(pixels)
    stage = _background(dancer, _SUPERSAMPLE * height, _SUPERSAMPLE * width)
    frames = np.empty((len(joints), height, width, 3), np.uint8)
    for i in range(len(joints)):
        images = []
        for s in range(subframes):
            image = stage.copy()
            shift = 0.5 * (s / max(1, subframes - 1) - 0.5)
            _figure(image, pixels[i] + shift * velocity[i], scale * dancer.stature, dancer)
            images.append(np.asarray(image.reduce(_SUPERSAMPLE)))
        frames[i] = images[0] if subframes == 1 else np.mean(images, axis=0).round()
    return frames
