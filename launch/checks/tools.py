"""What training and making use beside JAX: video files, TensorBoard, the pose estimator's weights."""

import importlib.util
import tempfile
from pathlib import Path

import numpy as np

from launch.checks.findings import FAIL, OK, WARN, Finding, told

_FRAMES, _SIDE = 8, 64
_FAR = 16.0  # mean absolute error, of 255, that H.264 and yuv420p do not reach on plain pictures


def video() -> Finding:
    """A clip of plain greys is encoded and decoded. Raises ValueError, OSError and ImportError."""
    import av

    from data_pipeline import video_files

    frames = np.stack([np.full((_SIDE, _SIDE, 3), 30 * number, np.uint8) for number in range(_FRAMES)])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        try:
            video_files.write_video(path, frames)
            back = np.stack([frame.picture for frame in video_files.iter_video(path)])
        except av.error.FFmpegError as error:
            return Finding("video", FAIL, told(error), "install av anew, pip install --force-reinstall av")
    if back.shape != frames.shape or np.abs(back.astype(float) - frames).mean() > _FAR:
        found = f"of {_FRAMES} frames {len(back)} come back, or others than were written"
        return Finding("video", FAIL, found, "install av anew, pip install --force-reinstall av")
    return Finding("video", OK, f"{_FRAMES} frames encoded and decoded by PyAV {av.__version__}")


def tensorboard() -> Finding:
    """A scalar is written and there. Raises OSError and ImportError."""
    import tensorboardX

    with tempfile.TemporaryDirectory() as folder:
        with tensorboardX.SummaryWriter(folder) as writer:
            writer.add_scalar("doctor", 1.0, 1)
        written = b"".join(path.read_bytes() for path in Path(folder).iterdir())
    if b"doctor" not in written:
        return Finding("tensorboard", FAIL, "no scalar is in the file that was written", "install tensorboardX anew")
    return Finding("tensorboard", OK, f"a scalar written by tensorboardX {tensorboardX.__version__}")


def pose_weights() -> Finding | None:
    """Where the estimator's bundles lie; not without the extra pose. Training does not need them."""
    from data_pipeline import pose_weights

    if importlib.util.find_spec("mediapipe") is None:
        return None
    try:
        found = pose_weights.where()
    except FileNotFoundError as error:
        return Finding("pose weights", WARN, told(error), f"put them there, or unset {pose_weights.ENV}")
    missing = [str(path) for path in found if not path.is_file()]
    if missing:
        return Finding("pose weights", OK, f"not here yet, downloaded once when they are used: {', '.join(missing)}")
    return Finding("pose weights", OK, str(found.pose.parent))


__all__ = ["pose_weights", "tensorboard", "video"]
