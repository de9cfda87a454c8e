"""Face networks that cannot be shipped, from the user's ONNX files through onnxruntime (extra `quality`).

ArcFace: (N, 3, 112, 112) -> (N, C). glintr100.onnx (antelopev2) and w600k_r50.onnx (buffalo_l) of the insightface
project have this layout; their weights are for non-commercial research, and their figures are not comparable.
SCRFD: (1, 3, H, W) -> scores, boxes and five landmarks at strides 8, 16 and 32, two anchors a cell. det_10g.onnx of
buffalo_l, scrfd_10g_bnkps.onnx of antelopev2.
"""

import dataclasses
import hashlib
import importlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from xdancer_jax.evals.embedding import Embedder
from xdancer_jax.evals.identity import SIDE, FaceFinder

ARCFACE = "glintr100.onnx or w600k_r50.onnx from github.com/deepinsight/insightface (non-commercial research)"
SCRFD = "scrfd_10g_bnkps.onnx or det_10g.onnx from github.com/deepinsight/insightface (non-commercial research)"
STRIDES, ANCHORS = (8, 16, 32), 2


def arcface(path: str | Path | None) -> Embedder:
    """The ArcFace network in the file at `path`.

    Raises:
      FileNotFoundError: no path or no such file: says which file is meant, from where, under which licence.
      ImportError: no onnxruntime.
      ValueError: not an ONNX network that takes faces (N or 1, 3, 112, 112) and gives one row each.
    """
    session, name = _session(path, ARCFACE), None
    shape = session.get_inputs()[0].shape
    if len(session.get_inputs()) != 1 or len(shape) != 4 or not _fits(shape[1:], (3, SIDE, SIDE)):
        raise ValueError(f"{path}: takes {shape}, (N, 3, {SIDE}, {SIDE}) expected; {ARCFACE}")
    name, single = session.get_inputs()[0].name, shape[0] == 1

    def run(faces: np.ndarray) -> np.ndarray:
        parts = np.split(faces, len(faces)) if single else [faces]
        rows = np.concatenate([session.run(None, {name: part})[0] for part in parts])
        if rows.ndim != 2 or len(rows) != len(faces):
            raise ValueError(f"{path}: gives {rows.shape} for {len(faces)} faces; one row each is expected")
        return rows

    return Embedder(_tag(Path(path)), run)


@dataclasses.dataclass(frozen=True)
class Scrfd:
    """Decodes an SCRFD network.

    Attributes:
      session: of onnxruntime, or what has its `run` and `get_inputs`.
      side: of the square that frames are fitted into, a multiple of 32.
      threshold: score from which a face counts.
    """

    session: Any
    side: int = 640
    threshold: float = 0.5

    def __call__(self, frame: np.ndarray) -> np.ndarray | None:
        """Landmarks (5, 2) of the most certain face of a frame (H, W, 3), uint8; None below the threshold."""
        scale = self.side / max(frame.shape[:2])
        height, width = (max(1, round(size * scale)) for size in frame.shape[:2])
        pixels = np.zeros((self.side, self.side, 3), np.float32)
        small = Image.fromarray(frame).resize((width, height), Image.Resampling.BILINEAR)
        pixels[:height, :width] = small
        blob = ((pixels - 127.5) / 128).transpose(2, 0, 1)[None]
        outputs = self.session.run(None, {self.session.get_inputs()[0].name: np.ascontiguousarray(blob)})
        if len(outputs) != 3 * len(STRIDES):
            raise ValueError(f"face finder: {len(outputs)} outputs; scores, boxes, landmarks at three strides expected")
        best, landmarks = self.threshold, None
        for i, stride in enumerate(STRIDES):
            scores, places = (np.reshape(outputs[i + j], (-1, n)) for j, n in ((0, 1), (6, 10)))
            cells = self.side // stride
            if len(scores) != ANCHORS * cells**2:
                raise ValueError(f"face finder: {len(scores)} scores at stride {stride}, {ANCHORS * cells**2} expected")
            top = int(scores.argmax())
            if scores[top, 0] >= best:
                best = float(scores[top, 0])
                centre = np.asarray(divmod(top // ANCHORS, cells)[::-1]) * stride
                landmarks = (centre + places[top].reshape(5, 2) * stride) / (width / frame.shape[1])
        return landmarks


def scrfd(path: str | Path | None, threshold: float = 0.5) -> FaceFinder:
    """The SCRFD network in the file at `path`. Raises as `arcface` does."""
    session = _session(path, SCRFD)
    name = f"{_tag(Path(path))} side 640 threshold {threshold:g}"
    return FaceFinder(name, Scrfd(session, threshold=threshold))


def _session(path: str | Path | None, wanted: str) -> Any:
    if path is None or not Path(path).is_file():
        shown = "no file given" if path is None else f"{path}: no such file"
        raise FileNotFoundError(f"{shown}; wanted: {wanted}")
    try:
        onnxruntime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise ImportError(f"{path}: needs onnxruntime: pip install -e '.[quality]' in the checkout") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own have no common ancestor
        line = str(error).splitlines()[0]
        raise ValueError(f"{path}: not an ONNX network that onnxruntime loads ({line}); wanted: {wanted}") from error


def _fits(shape: list[Any], wanted: tuple[int, ...]) -> bool:
    return all(not isinstance(size, int) or size == want for size, want in zip(shape, wanted, strict=True))


def _tag(path: Path) -> str:
    return f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()[:16]}"


__all__ = ["Scrfd", "arcface", "scrfd"]
