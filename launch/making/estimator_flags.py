"""The flags that say what finds poses, of every command that looks at pictures."""

from absl import flags

from data_pipeline import pose_estimation
from data_pipeline.preparation import estimators

_KIND = flags.DEFINE_enum("estimator", "mediapipe", ["mediapipe", "rtm"], "What finds poses; rtm: ONNX files of yours.")
_WEIGHTS = flags.DEFINE_string("pose_weights", None, "Folder with MediaPipe's pose and hand bundles (*.task).")
_MODEL = flags.DEFINE_string("pose_model", None, "rtm: RTMW, DWPose or RTMPose (.onnx).")
_DETECTOR = flags.DEFINE_string("detector", None, "rtm: YOLOX or RTMDet (.onnx); without, pictures show one person.")


def estimator() -> pose_estimation.PoseEstimator:
    """What the flags say. Raises ValueError for flags of the other kind, and as the estimators do."""
    if _KIND.value == "rtm":
        if _MODEL.value is None or _WEIGHTS.value is not None:
            raise ValueError("--estimator=rtm takes --pose_model FILE.onnx and --detector FILE.onnx, no --pose_weights")
    elif _MODEL.value is not None or _DETECTOR.value is not None:
        raise ValueError("--pose_model and --detector go with --estimator=rtm")
    files = (_WEIGHTS.value, _DETECTOR.value, _MODEL.value)
    return estimators.estimator(_KIND.value, *(file or "" for file in files))
