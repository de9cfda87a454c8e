"""Builds a data set for the tokenizer from pose files:

    python -m launch.prepare_poses --data DIR --poses A --poses B ...
"""

from absl import flags

from launch.shell import cli

_DATA = flags.DEFINE_string("data", None, "Data set to write.")
_POSES = flags.DEFINE_multi_string(
    "poses", None,
    "Pose file: ours, MediaPipe or OpenPose-137 (.npz); COCO-WholeBody, MMPose or DWPose (.json); OpenPose's folder of "
    ".json files. FILE:HEIGHTxWIDTH:FPS where it does not state its frame size and rate. Once for each file.",
)
_HELD_OUT = flags.DEFINE_float("held_out", 0.2, "Share of each file's frames, its last ones, for the test split.")
flags.mark_flags_as_required(["data", "poses"])


def main(argv: list[str]) -> None:
    del argv
    from data_pipeline import pose_builder  # imports tfds, which --help need not wait for

    print(pose_builder.prepare(_DATA.value, _POSES.value, _HELD_OUT.value))


if __name__ == "__main__":
    cli.run(main)
