"""How good a picture looks, by a network that people trained on opinions: the paper's filter of HyperIQA at 40.

No weights come with this code. Who has none leaves the filter off; nobody's number stands in for the network's.
"""

import hashlib
import os
from typing import Any, Final, Protocol

import numpy as np
from PIL import Image

from data_pipeline.files import existing, one_line

# HyperIQA's demo (Su et al., CVPR 2020): the picture at 512 x 384 whatever its shape, ten crops of 224, their mean.
_HEIGHT, _WIDTH, _SIDE, _CROPS = 512, 384, 224, 10
_MEAN: Final = np.array([0.485, 0.456, 0.406], np.float32)  # of ImageNet's pictures in [0, 1]
_SPREAD: Final = np.array([0.229, 0.224, 0.225], np.float32)
_SLACK: Final = 10.0  # by which a regressed score may leave its range; beyond, it has another range


class Scorer(Protocol):
    """What data preparation needs of a scorer of pictures. name, version: of the network, for the record."""

    name: str
    version: str

    def __call__(self, picture: np.ndarray) -> float:
        """The quality in [0, 100], more is better, of (H, W, 3) uint8 RGB."""
        ...


class OnnxQuality:
    """HyperIQA, or another network of its kind, from an ONNX file: one input (N, 3, 224, 224) float32, normalised as
    ImageNet's, N free or 1; one output, a crop's quality in [0, 100].

    The crops lie where a seed puts them, in all pictures alike, so that a score depends on the picture alone.

    Attributes:
        name: "onnx".
        version: the first 16 digits of the file's sha256.
    """

    name: Final = "onnx"

    def __init__(self, path: str | os.PathLike[str]):
        """Raises FileNotFoundError, ImportError without the extra, and ValueError for a file that is no such network;
        each is one line."""
        self._path = existing(path)
        self.version = hashlib.sha256(self._path.read_bytes()).hexdigest()[:16]
        self._session = _load(self._path)
        self._input = _checked_input(self._path, self._session)
        rng = np.random.default_rng(0)
        self._corners = rng.integers(0, (_HEIGHT - _SIDE + 1, _WIDTH - _SIDE + 1), (_CROPS, 2))
        self._score(np.zeros((_SIDE, _SIDE, 3), np.float32))

    def __call__(self, picture: np.ndarray) -> float:
        """Raises ValueError for what is no picture, and for a score that has nothing to do with [0, 100]."""
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise ValueError(f"picture: {picture.dtype} {picture.shape} cannot be scored; give (H, W, 3) uint8")
        small = Image.fromarray(picture).resize((_WIDTH, _HEIGHT), Image.Resampling.BILINEAR)
        pixels = (np.asarray(small, np.float32) / 255 - _MEAN) / _SPREAD
        score = float(np.mean([self._score(pixels[y : y + _SIDE, x : x + _SIDE]) for y, x in self._corners]))
        if not -_SLACK <= score <= 100 + _SLACK:
            raise ValueError(f"{self._path}: scores a picture {score:g}; export a network that scores in [0, 100]")
        return min(max(score, 0.0), 100.0)

    def _score(self, crop: np.ndarray) -> float:
        """Of a normalised crop (224, 224, 3); one at a time, which networks exported for N = 1 need."""
        try:
            outputs = self._session.run(None, {self._input: np.ascontiguousarray(crop.transpose(2, 0, 1)[None])})
        except Exception as error:  # onnxruntime's own have no common ancestor
            raise ValueError(f"{self._path}: does not score a picture of 224x224 ({one_line(error)})") from error
        if len(outputs) != 1 or np.size(outputs[0]) != 1:
            shapes = ", ".join(str(np.shape(output)) for output in outputs)
            raise ValueError(f"{self._path}: gives {shapes} for one picture; export a network with one number")
        return float(np.ravel(outputs[0])[0])


def _load(path: Any) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError(
            f"{path}: scoring pictures needs onnxruntime: pip install -e '.[quality]' in the checkout"
        ) from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors, which are raised as well
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own have no common ancestor
        raise ValueError(f"{path}: not an ONNX network that onnxruntime loads ({one_line(error)})") from error


def _checked_input(path: Any, session: Any) -> str:
    """The name of the one input."""
    inputs = session.get_inputs()
    if [one.type for one in inputs] != ["tensor(float)"] or not _fits(inputs[0].shape):
        found = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs) or "none"
        raise ValueError(
            f"{path}: its inputs are {found}; export a network with one, (N, 3, 224, 224) float32, N free or 1"
        )
    return inputs[0].name


def _fits(shape: list[Any]) -> bool:
    """Whether a crop goes in; axes without a number are free."""
    wanted = (1, 3, _SIDE, _SIDE)
    return len(shape) == 4 and all(
        not isinstance(axis, int) or axis == size for axis, size in zip(shape, wanted, strict=True)
    )


__all__ = ["OnnxQuality", "Scorer"]
