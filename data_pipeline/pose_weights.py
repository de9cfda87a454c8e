"""Where the pose estimator's weights come from: a folder, an environment variable, or the official download."""

import contextlib
import http.client
import os
import tempfile
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from typing import Final, NamedTuple

ENV: Final = "XDANCER_POSE_WEIGHTS"
_BASE: Final = "https://storage.googleapis.com/mediapipe-models"
URLS: Final = {
    "pose_landmarker_full.task": f"{_BASE}/pose_landmarker/pose_landmarker_full/float16/1/pose_landmarker_full.task",
    "pose_landmarker_lite.task": f"{_BASE}/pose_landmarker/pose_landmarker_lite/float16/1/pose_landmarker_lite.task",
    "hand_landmarker.task": f"{_BASE}/hand_landmarker/hand_landmarker/float16/1/hand_landmarker.task",
}
# Names looked for in a folder, the most accurate first.
_POSE_NAMES: Final = (
    "pose_landmarker_heavy.task", "pose_landmarker_full.task", "pose_landmarker.task", "pose_landmarker_lite.task",
)
_HAND_NAME: Final = "hand_landmarker.task"


class PoseWeights(NamedTuple):
    """Paths of the two MediaPipe bundles."""

    pose: Path
    hand: Path


def find_weights(folder: str | os.PathLike[str] | None = None, *, variant: str = "full") -> PoseWeights:
    """Finds the two bundles: `folder` if given, else the folder in XDANCER_POSE_WEIGHTS, else the official files
    (`variant` "full" or "lite" of the body model), downloaded once into ~/.cache/xdancer_jax.

    Raises FileNotFoundError where a named folder lacks a bundle, ValueError for an unknown variant, and
    ConnectionError where the download fails; its message names the three ways out.
    """
    found = where(folder, variant=variant)
    return PoseWeights(_download(found.pose), _download(found.hand))


def where(folder: str | os.PathLike[str] | None = None, *, variant: str = "full") -> PoseWeights:
    """The two bundles' paths, of which those in ~/.cache/xdancer_jax need not be there yet; nothing is downloaded.

    Raises FileNotFoundError and ValueError as find_weights does.
    """
    for source, given in (("the weights folder", folder), (f"the folder in {ENV}", os.environ.get(ENV))):
        if given:
            return _in_folder(Path(given).expanduser(), source)
    pose_name = f"pose_landmarker_{variant}.task"
    if pose_name not in URLS:
        raise ValueError(f"unknown pose model variant {variant!r}; use 'full' or 'lite'")
    return PoseWeights(_cache() / pose_name, _cache() / _HAND_NAME)


def _cache() -> Path:
    """~/.cache/xdancer_jax; in a container whose user has no home directory, a folder among the temporary files."""
    try:
        return Path.home() / ".cache" / "xdancer_jax"
    except RuntimeError:
        return Path(tempfile.gettempdir()) / f"xdancer_jax_{os.getuid()}"


def _in_folder(folder: Path, source: str) -> PoseWeights:
    pose = next((folder / name for name in _POSE_NAMES if (folder / name).is_file()), None)
    hand = folder / _HAND_NAME
    missing = [] if pose else [" or ".join(_POSE_NAMES)]
    missing += [] if hand.is_file() else [_HAND_NAME]
    if pose is None or missing:
        raise FileNotFoundError(f"{source}, {folder}, has no {' and no '.join(missing)}")
    return PoseWeights(pose, hand)


def _download(target: Path) -> Path:
    """Fetches one bundle unless it is there; a broken or cut transfer never takes the final name."""
    if target.is_file():
        return target
    name, cache, partial = target.name, target.parent, None
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(URLS[name], timeout=60) as response:
            with tempfile.NamedTemporaryFile(dir=cache, prefix=name, delete=False) as file:
                partial = Path(file.name)
                while block := response.read(1 << 20):
                    file.write(block)
            expected = response.headers.get("Content-Length")
        size = partial.stat().st_size
        if expected is not None and size != int(expected):
            raise OSError(f"got {size} of {expected} bytes")
        if not zipfile.is_zipfile(partial):
            raise OSError(f"the {size} bytes received are not a model bundle")
        os.replace(partial, target)
    except (OSError, http.client.HTTPException) as error:  # URLError and timeouts are OSErrors
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise ConnectionError(
            f"cannot download {URLS[name]} ({reason}); give a folder that holds the bundles, or set {ENV} to one, "
            f"or put the file at {target}"
        ) from error
    finally:
        if partial is not None:
            with contextlib.suppress(FileNotFoundError):
                partial.unlink()
    return target
