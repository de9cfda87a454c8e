"""The pose estimator and the scorer of pictures that settings or flags name, made once a process."""

import functools

from data_pipeline import image_quality, pose_estimation, pose_weights
from data_pipeline.image_quality import Scorer
from data_pipeline.pose_estimation import PoseEstimator


@functools.cache
def estimator(name: str, weights: str = "", detector: str = "", model: str = "") -> PoseEstimator:
    """Of "mediapipe", its bundles in the folder `weights`, or of "rtm", an ONNX file `model` with a `detector`.

    Raises what the estimator does without its library or files.
    """
    if name == "mediapipe":
        return pose_estimation.MediaPipeEstimator(*pose_weights.find_weights(weights or None))
    from data_pipeline import rtm_estimation

    return rtm_estimation.RtmEstimator(model, detector or None)


@functools.cache
def scorer(model: str) -> Scorer | None:
    """Of HyperIQA's ONNX file; None for "". Raises what image_quality.OnnxQuality does."""
    return image_quality.OnnxQuality(model) if model else None


def which(model: PoseEstimator | Scorer | None) -> dict[str, str] | None:
    """What a record tells of it: its version holds digests of its files."""
    return model and {"name": model.name, "version": model.version}


__all__ = ["estimator", "scorer", "which"]
