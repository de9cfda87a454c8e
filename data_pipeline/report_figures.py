"""Pictures of the preparation report: histograms as SVG, and rows of frames with skeletons over them."""

import io
from typing import Final

import numpy as np
from PIL import Image

from data_pipeline import poses

KEPT, DROPPED = "#2a6f97", "#d98c5f"
_BINS: Final = 40
_MOST: Final = 99.5  # percent of the numbers that lie within a histogram; the last bar holds the rest
SHOWN: Final = 6  # frames of a clip in a contact sheet
_TILE: Final = 224  # pixels of height that a frame has at most
_BLACK_WIDTH: Final = 128  # of a frame without a picture


def bins(kept: np.ndarray, dropped: np.ndarray, high: float | None, limit: float | None) -> tuple[np.ndarray, ...]:
    """Counts of each in _BINS bars from 0, and the bars' edges (_BINS + 1,). What lies beyond is in the last bar.

    high: the last edge; None for one that takes in the limit and nearly all numbers.
    """
    both = np.concatenate([kept, dropped])
    if high is None:
        high = max(np.percentile(both, _MOST) if len(both) else 0.0, 1.25 * (limit or 0.0)) or 1.0
    edges = np.linspace(0, high, _BINS + 1)
    return *(np.histogram(np.clip(values, 0, high), edges)[0] for values in (kept, dropped)), edges


def histogram(kept: np.ndarray, dropped: np.ndarray, high: float | None = None, limit: float | None = None) -> bytes:
    """An SVG file: bars of the finite numbers `kept`, those `dropped` on top of them, a dashed line at the limit."""
    import matplotlib
    from matplotlib.figure import Figure

    below, above, edges = bins(kept, dropped, high, limit)
    figure = Figure(figsize=(3.6, 1.9), layout="constrained")
    axes = figure.subplots()
    axes.stairs(below, edges, fill=True, color=KEPT)
    axes.stairs(below + above, edges, baseline=below, fill=True, color=DROPPED)
    if limit is not None:
        axes.axvline(limit, color="black", linestyle="--", linewidth=1)
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(bottom=0)
    axes.yaxis.get_major_locator().set_params(integer=True, nbins=4)
    axes.spines[["top", "right"]].set_visible(False)
    file = io.BytesIO()
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "report"}):  # small, and the same every time
        figure.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def spread(length: int, count: int) -> np.ndarray:
    """(n,) `count` places, or all, evenly over `length`, its first and last among them."""
    return np.unique(np.linspace(0, length - 1, min(count, length)).round().astype(int))


def contact_sheet(pictures: np.ndarray | None, poses_shown: np.ndarray) -> np.ndarray:
    """Frames from left to right, at most 224 pixels high, with their skeletons.

    Args:
        pictures: (n, H, W, 3) uint8, n at least 1; None for skeletons on black.
        poses_shown: (n, 60, 3) in record coordinates.

    Returns:
        (h, n w, 3) uint8. Raises ValueError for no pictures, or other numbers of them than of poses.
    """
    if pictures is None:
        pictures = np.zeros((len(poses_shown), _TILE, _BLACK_WIDTH, 3), np.uint8)
    if len(pictures) == 0 or len(pictures) != len(poses_shown):
        raise ValueError(f"contact sheet: {len(pictures)} pictures and {len(poses_shown)} poses; give as many of each")
    height, width = pictures.shape[1:3]
    scale = min(1.0, _TILE / height)
    size = (max(1, round(scale * width)), max(1, round(scale * height)))
    small = [np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS)) for picture in pictures]
    return np.concatenate(list(poses.overlay(np.stack(small), poses_shown)), axis=1)


__all__ = ["DROPPED", "KEPT", "SHOWN", "bins", "contact_sheet", "histogram", "spread"]
