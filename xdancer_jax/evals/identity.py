"""ID-SIM: is the person in the made frames the one of the photo? Cosine of ArcFace embeddings (Deng et al. 2019).

A face is found, turned upright by its five landmarks, cut to 112 x 112 and embedded. Frames without a face have no
similarity; how many have one stands beside the figure, because a model that hides faces would otherwise win.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from xdancer_jax.evals.bootstrap import Bootstrap
from xdancer_jax.evals.clips import LeftOut, UnreadableVideo, Video, frames_of
from xdancer_jax.evals.embedding import Embedder
from xdancer_jax.evals.protocols import Result, record
from xdancer_jax.typing import Float, typechecked

# ArcFace's places of the left and right eye (as the picture shows them), nose, and corners of the mouth; pixels (x, y).
TEMPLATE = ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
SIDE = 112


@dataclasses.dataclass(frozen=True)
class FaceFinder:
    """A detector with its weights.

    Attributes:
      name: which detector, with what digest: detection rates of two are not comparable.
      find: a frame (H, W, 3), uint8 -> landmarks (5, 2) of its most certain face, pixels (x, y) in TEMPLATE's order;
        None where there is none.
    """

    name: str
    find: Callable[[np.ndarray], np.ndarray | None]


class Person(NamedTuple):
    """A made video and the photo (H, W, 3), uint8, of the person it should show."""

    video: Video
    photo: np.ndarray


@dataclasses.dataclass(frozen=True)
class IDSim:
    """Cosine similarity of a photo's face and each frame's.

    Attributes:
      id: its name.
      side: of the cut-out face, pixels.
      template: where its landmarks go.
      mean: subtracted from 0-255 pixels, which are then divided by `spread`.
      spread: see `mean`.
      batch: faces at a time.
    """

    id: str = "id_sim_arcface"
    side: int = SIDE
    template: tuple[tuple[float, float], ...] = TEMPLATE
    mean: float = 127.5
    spread: float = 127.5
    batch: int = 8

    def face(self, frame: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """The upright face (side, side, 3) of a frame, scaled for the network, float32."""
        matrix = similarity(np.asarray(landmarks, np.float64), np.asarray(self.template))
        return ((warped(frame, matrix, self.side) - self.mean) / self.spread).astype(np.float32)

    def report(self, people: Sequence[Person], finder: FaceFinder, network: Embedder) -> Result:
        """"score", the mean over the frames that have a face, its interval over videos ("low", "high"), and
        "detection_rate" = those frames / all frames. NaN scores where no frame has a face.

        `network`: faces (batch, 3, side, side) -> embeddings (batch, C). Counts of videos, frames, faces, videos
        without any face, and what was left out: videos that cannot be read, and those whose photo has no face.

        Raises ValueError for an embedding that is not finite or all 0, naming the video, and where no photo has a face.
        """
        left_out, photoless, found = LeftOut(), [], []
        for video, photo in people:
            landmarks = finder.find(photo)
            if landmarks is None:
                photoless.append(video.name)
                continue
            target = self._embed([self.face(photo, landmarks)], network, f"photo of {video.name}")[0]
            try:
                found.append(self._similarities(video, finder, target, network))
            except UnreadableVideo as error:
                left_out.broken(video, error)
        if not found:
            notes = left_out.notes("made") + self._notes(photoless)
            raise ValueError(f"{self.id}: no video of {len(people)}; " + " ".join(notes))
        return self._result(found, photoless, left_out, finder, network)

    def _similarities(
        self, video: Video, finder: FaceFinder, target: np.ndarray, network: Embedder
    ) -> np.ndarray:
        """Of every frame, NaN without a face. Raises UnreadableVideo."""
        found: list[float] = []
        waiting: list[tuple[int, np.ndarray]] = []

        def embed() -> None:
            rows = self._embed([face for _, face in waiting], network, video.name)
            for (place, _), similar in zip(waiting, rows @ target, strict=True):
                found[place] = float(similar)
            waiting.clear()

        for place, frame in enumerate(frames_of(video)):
            landmarks = finder.find(frame)
            found.append(float("nan"))
            if landmarks is not None:
                waiting.append((place, self.face(frame, landmarks)))
            if len(waiting) == self.batch:
                embed()
        if waiting:
            embed()
        return np.asarray(found, np.float64)

    def _embed(self, faces: list[np.ndarray], network: Embedder, name: str) -> np.ndarray:
        """Embeddings (n, C) of length 1 of at most `batch` faces."""
        pixels = np.zeros((self.batch, 3, self.side, self.side), np.float32)
        pixels[: len(faces)] = np.stack(faces).transpose(0, 3, 1, 2)
        rows = np.asarray(network.run(pixels), np.float64)[: len(faces)]
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        if not (np.isfinite(rows).all() and (lengths > 0).all()):
            raise ValueError(f"{self.id}: {name}: an embedding is not finite or all 0")
        return rows / lengths

    def _result(self, found, photoless, left_out, finder, network) -> Result:
        every = np.concatenate(found)
        seen = every[np.isfinite(every)]
        means = np.asarray([x[np.isfinite(x)].mean() for x in found if np.isfinite(x).any()], np.float64)
        low, high = Bootstrap()(means) if len(means) else (float("nan"), float("nan"))
        values = {"score": float(seen.mean()) if len(seen) else float("nan"), "low": low, "high": high,
                  "detection_rate": len(seen) / len(every)}
        counts = {"videos": len(found), "frames": len(every), "faces": len(seen),
                  "videos_without_face": len(found) - len(means), "photos_without_face": len(photoless),
                  **left_out.counts("made")}
        result = record(self, values, counts, left_out.notes("made") + self._notes(photoless))
        return dataclasses.replace(result, source={"weights": network.weights, "face_finder": finder.name})

    def _notes(self, photoless: Sequence[str]) -> list[str]:
        return [f"no face in the photo of: {'; '.join(photoless)}"] if photoless else []


@typechecked
def similarity(
    places: Float[np.ndarray, "N 2"], targets: Float[np.ndarray, "N 2"]
) -> Float[np.ndarray, "2 3"]:
    """The turn, scale and shift (2, 3) that brings `places` nearest to `targets` in squares (Umeyama 1991). Raises
    ValueError for places that are all one."""
    centre, goal = places.mean(axis=0), targets.mean(axis=0)
    x, y = (places - centre) @ np.asarray([1, 1j]), (targets - goal) @ np.asarray([1, 1j])
    size = float((np.abs(x) ** 2).sum())
    if not size > 0:
        raise ValueError("landmarks lie all in one place, or are not finite")
    factor = complex((np.conj(x) * y).sum() / size)
    linear = np.asarray([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.concatenate([linear, (goal - linear @ centre)[:, None]], axis=1)


@typechecked
def warped(
    frame: UInt8[np.ndarray, "H W 3"], matrix: Float[np.ndarray, "2 3"], side: int
) -> Float[np.ndarray, "{side} {side} 3"]:
    """The frame under `matrix` (pixel centres at whole numbers), bilinear, black outside; float64 in 0-255."""
    linear = np.linalg.inv(matrix[:, :2])
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1) - matrix[:, 2]
    x, y = np.moveaxis(grid @ linear.T, -1, 0)
    padded = np.pad(frame, ((1, 2), (1, 2), (0, 0))).astype(np.float64)
    x, y = np.clip(x + 1, 0, frame.shape[1] + 1), np.clip(y + 1, 0, frame.shape[0] + 1)
    left, top = x.astype(np.int64), y.astype(np.int64)
    right, down = (x - left)[..., None], (y - top)[..., None]
    upper = padded[top, left] * (1 - right) + padded[top, left + 1] * right
    lower = padded[top + 1, left] * (1 - right) + padded[top + 1, left + 1] * right
    return upper * (1 - down) + lower * down


__all__ = ["FaceFinder", "IDSim", "Person", "TEMPLATE", "similarity", "warped"]
