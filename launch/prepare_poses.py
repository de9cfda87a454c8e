"""Builds a data set for the tokenizer from pose files: python -m launch.prepare_poses --data_dir DIR --poses A,B,..."""

from absl import flags

from launch.shell import cli

_DATA_DIR = flags.DEFINE_string("data_dir", None, "Where data sets live.")
_POSES = flags.DEFINE_list(
    "poses", None, "Pose files: ours (.npz), MediaPipe or OpenPose-137 (.npz), COCO-WholeBody-133 (.json)."
)
_HELD_OUT = flags.DEFINE_float("held_out", 0.2, "Share of each file's frames, its last ones, for the test split.")
flags.mark_flags_as_required(["data_dir", "poses"])


def main(argv: list[str]) -> None:
    del argv
    from data_pipeline import pose_builder  # imports tfds, which --help need not wait for

    print(pose_builder.prepare(_DATA_DIR.value, _POSES.value, _HELD_OUT.value))


if __name__ == "__main__":
    cli.run(main)
