"""Poses of a video, and a look at them:

    python -m launch.estimate_poses --video FILE --out poses.npz [--overlay overlay.mp4] [--pose_weights DIR]

The dancer's 60 joints in every frame by MediaPipe. The file goes into launch.prepare_poses, or launch.generate --pose.
"""

import numpy as np
from absl import flags
from tqdm import tqdm

from data_pipeline import pose_estimation, pose_files, pose_weights, poses, video_files
from launch.shell import cli, outputs

_VIDEO = flags.DEFINE_string("video", None, "Video of one dancer.")
_OUT = flags.DEFINE_string("out", None, "Pose file to write (.npz).")
_OVERLAY = flags.DEFINE_string("overlay", None, "Video to write: the skeleton over the frames (.mp4).")
_WEIGHTS = flags.DEFINE_string("pose_weights", None, "Folder with MediaPipe's pose and hand bundles (*.task).")
flags.mark_flags_as_required(["video", "out"])


def main(argv: list[str]) -> None:
    del argv
    outputs.check_out(_OUT.value, ".npz")
    if _OVERLAY.value:
        outputs.check_out(_OVERLAY.value, flag="overlay")
    estimator = pose_estimation.MediaPipeEstimator(*pose_weights.find_weights(_WEIGHTS.value))
    fps = video_files.video_fps(_VIDEO.value)
    height, width = next(video_files.iter_video(_VIDEO.value)).shape[:2]
    frames = video_files.iter_video(_VIDEO.value)  # one at a time: a long video does not fit into memory
    found = np.stack(list(tqdm(estimator.video(frames, fps), desc="poses", unit="frame")))
    pose_files.save_poses(_OUT.value, found, fps, height, width)
    seen = (found[..., 2] > poses.VISIBLE).any(axis=1).sum()
    print(f"{_OUT.value}: a person in {seen} of {len(found)} frames")
    if _OVERLAY.value:
        pairs = zip(video_files.iter_video(_VIDEO.value), poses.normalise(found, height, width), strict=True)
        video_files.write_video(_OVERLAY.value, (poses.overlay(*pair) for pair in pairs), fps)


if __name__ == "__main__":
    cli.run(main)
