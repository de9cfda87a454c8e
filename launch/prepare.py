"""Builds the toy data set: python -m launch.prepare --data DIR [--clips N]. Complete data is left as it is."""

from absl import flags

from launch.shell import cli

_DATA = flags.DEFINE_string("data", None, "Data set to write.")
_CLIPS = flags.DEFINE_integer("clips", 64, "Training clips.", lower_bound=1)
_TEST_CLIPS = flags.DEFINE_integer("test_clips", 8, "Test clips, of other songs and dancers.", lower_bound=1)
_FRAMES = flags.DEFINE_integer("frames", 360, "Frames of a clip, at 30 fps.", lower_bound=23)
_HEIGHT = flags.DEFINE_integer("height", 112, "Height of the pictures, pixels.", lower_bound=16)
_WIDTH = flags.DEFINE_integer("width", 64, "Width of the pictures, pixels.", lower_bound=16)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of every clip.", lower_bound=0)
_CHOREOGRAPHY = flags.DEFINE_bool("choreography", False, "One dance in every clip, that no genre has; to fine-tune on.")
_WORKERS = flags.DEFINE_integer("workers", 2, "Processes that render; 0 renders in this one.", lower_bound=0)
flags.mark_flag_as_required("data")


def main(argv: list[str]) -> None:
    del argv
    from data_pipeline import builders  # imports tfds, which --help and the rendering workers need not wait for

    config = builders.ToyConfig(
        seed=_SEED.value, train_clips=_CLIPS.value, test_clips=_TEST_CLIPS.value, frames=_FRAMES.value,
        height=_HEIGHT.value, width=_WIDTH.value, choreography=_CHOREOGRAPHY.value,
    )
    print(builders.prepare(_DATA.value, config, _WORKERS.value))


if __name__ == "__main__":
    cli.run(main)
