"""The networks that metrics look through: from the files given, or on random weights; or what file is lacking."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np

from data_pipeline.files import existing, stamp
from xdancer_jax.evals.embedding import Embedder, remembering
from xdancer_jax.evals.identity import SIDE, TEMPLATE, FaceFinder
from xdancer_jax.evals.networks import faces, loading, resnet3d
from xdancer_jax.evals.networks.i3d import I3D
from xdancer_jax.evals.networks.perceptual import LPIPSNetwork
from xdancer_jax.pretrained import features

_RESNETS = {"resnet50_3d": resnet3d.resnet50, "resnext101_3d": resnet3d.resnext101}


@dataclasses.dataclass(frozen=True)
class Given:
    """Files of weights by kind (features.FILES, and "arcface", "scrfd"); random: in place of all of them. Networks over
    clips look at each once."""

    files: dict[str, str]
    random: bool = False
    seed: int = 0

    def lacking(self, *kinds: str) -> str:
        """"" where all kinds are given; else which file is meant, from where, under which licence, and its flag."""
        missing = [kind for kind in kinds if kind not in self.files]
        return "" if self.random or not missing else "; ".join(map(_wanted, missing))

    def stated(self, *kinds: str) -> dict[str, str]:
        """Which files a figure over these kinds depends on. Raises FileNotFoundError where one is not there."""
        if self.random:
            return dict.fromkeys(kinds, f"random, seed {self.seed}")
        return {kind: stamp(existing(self.files[kind])) for kind in kinds}

    def i3d(self, epsilon: float, pool_frames: int) -> Embedder:
        module = I3D(pool_frames=pool_frames, epsilon=epsilon)
        return remembering(self._embedder(module, "i3d"))

    def resnet(self, kind: str) -> Embedder:
        return remembering(self._embedder(_RESNETS[kind](), kind))

    def lpips(self, backbone: str) -> Embedder:
        module, heads = LPIPSNetwork(backbone), f"{backbone}_heads"
        if self.random:
            return self._embedder(module, backbone)
        shapes = loading.shapes(module)
        arrays = loading.lpips_arrays(
            features.read(self.files[backbone], backbone, loading.part(shapes, "backbone")),
            features.read(self.files[heads], heads, loading.part(shapes, "heads")),
        )
        return loading.embedder(module, arrays, f"{Path(self.files[backbone]).name}, {Path(self.files[heads]).name}")

    def face_networks(self) -> tuple[FaceFinder, Embedder]:
        """What finds a face, and what embeds it. On random weights: a face in the corner of every frame, and a random
        projection of its pixels."""
        if not self.random:
            return faces.scrfd(self.files["scrfd"]), faces.arcface(self.files["arcface"])
        matrix = np.random.default_rng(self.seed).standard_normal((3 * SIDE * SIDE, 64)).astype(np.float32)

        def find(frame: np.ndarray) -> np.ndarray:
            return np.asarray(TEMPLATE) * (min(frame.shape[:2]) / SIDE)

        embed: Callable[[np.ndarray], np.ndarray] = lambda pixels: pixels.reshape(len(pixels), -1) @ matrix  # noqa: E731
        return FaceFinder("random: the picture's corner", find), Embedder(f"random seed {self.seed}", embed)

    def _embedder(self, module, kind: str) -> Embedder:
        if self.random:
            return loading.embedder(module, loading.random(module, self.seed), f"random seed {self.seed}")
        arrays = features.read(self.files[kind], kind, loading.shapes(module))
        return loading.embedder(module, arrays, Path(self.files[kind]).name)


def _wanted(kind: str) -> str:
    """One line."""
    if kind in features.FILES:
        file = features.FILES[kind]
        return f"give --{FLAGS[kind]}: {file.name} from {file.source} ({file.licence})"
    return f"give --{FLAGS[kind]}: {faces.ARCFACE if kind == 'arcface' else faces.SCRFD}"


FLAGS = {
    "i3d": "i3d", "resnet50_3d": "resnet50", "resnext101_3d": "resnext101", "arcface": "arcface",
    "scrfd": "face_finder",
    **dict.fromkeys(("alex", "vgg", "squeeze"), "lpips_backbone"),
    **dict.fromkeys(("alex_heads", "vgg_heads", "squeeze_heads"), "lpips_heads"),
}

__all__ = ["FLAGS", "Given"]
