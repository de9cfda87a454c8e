"""Says what a data set holds, and draws skeletons over frames of its clips into a picture:

    python -m launch.inspect_data --data DATA [--out contact_sheet.png] [--split train] [--clips 12]
"""

from absl import flags
from etils import epath

from launch.shell import cli

_DATA = flags.DEFINE_string("data", None, "Folder of the data set.")
_OUT = flags.DEFINE_string("out", "contact_sheet.png", "Picture to write, a .png file.")
_SPLIT = flags.DEFINE_string("split", "train", "Split that the picture shows.")
_CLIPS = flags.DEFINE_integer("clips", 12, "Clips in the picture.", lower_bound=1)
_READ = flags.DEFINE_integer("read", 200, "Clips of each split that are read for the figures.", lower_bound=1)
flags.mark_flags_as_required(["data"])
flags.register_validator("out", lambda value: value.endswith(".png"), "the picture's name ends in .png")


def main(argv: list[str]) -> None:
    del argv
    from data_pipeline import inspection  # imports tfds, which --help need not wait for
    from launch.figures import grids

    for line in inspection.lines(_DATA.value, _READ.value):
        print(line)
    picture = inspection.sheet(_DATA.value, _SPLIT.value, _CLIPS.value)
    print(grids.write(epath.Path(_OUT.value.removesuffix(".png")), picture))


if __name__ == "__main__":
    cli.run(main, computes=False)
