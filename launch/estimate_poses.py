"""Poses of a video, and a look at them:

    python -m launch.estimate_poses --video FILE --out poses.npz [--overlay overlay.mp4]
        [--pose_weights DIR | --estimator rtm --pose_model FILE.onnx --detector FILE.onnx]

The dancer's 60 joints in every frame, each at the time when the frame is shown. Pictures become upright,
with square pixels. A video that is cut off gives what is there, with a warning. The file goes into
launch.prepare (configs/data.py:poses), or launch.generate --pose.
"""

from functools import partial

from absl import flags
from tqdm import tqdm

from data_pipeline import pose_files, poses, video_poses
from launch.making import estimator_flags
from launch.shell import cli, outputs

_VIDEO = flags.DEFINE_string("video", None, "Video of one dancer.")
_OUT = flags.DEFINE_string("out", None, "Pose file to write (.npz).")
_OVERLAY = flags.DEFINE_string("overlay", None, "Video to write: the skeleton over the frames (.mp4).")
flags.adopt_module_key_flags(estimator_flags)
flags.mark_flags_as_required(["video", "out"])


def main(argv: list[str]) -> None:
    del argv
    outputs.check_out(_OUT.value, ".npz")
    if _OVERLAY.value:
        outputs.check_out(_OVERLAY.value, flag="overlay")
    video_poses.check_video(_VIDEO.value)  # before models are fetched and each frame is looked at
    estimator = estimator_flags.estimator()
    clip = video_poses.estimate_video(estimator, _VIDEO.value, partial(tqdm, desc="poses", unit="frame"))
    pose_files.save_clip(_OUT.value, clip)
    seen = (clip.poses[..., 2] > poses.VISIBLE).any(axis=1).sum()
    print(f"{_OUT.value}: a person in {seen} of {len(clip.poses)} frames")
    if _OVERLAY.value:
        video_poses.write_overlay(_OVERLAY.value, _VIDEO.value, clip)


if __name__ == "__main__":
    cli.run(main)
