"""Prepares a data set, which launch.train takes:

    python -m launch.prepare --config configs/data.py:toy --data DATA
    python -m launch.prepare --config configs/data.py:videos --data DATA --config.videos=FOLDER
    python -m launch.prepare --config configs/data.py:poses --data DATA --config.poses.files=LIST.txt

A set that is complete is left as it is. One that was stopped goes on where it was, with the clips that are finished.
DATA/NAME.report tells what was kept, and why the rest was not.
"""

from absl import flags
from ml_collections import config_flags

from launch.shell import cli

_CONFIG = config_flags.DEFINE_config_file("config", None, "configs/data.py:VARIANT.", lock_config=True)
_DATA = flags.DEFINE_string("data", None, "Folder for the data set.")
flags.mark_flags_as_required(["config", "data"])


def main(argv: list[str]) -> None:
    del argv
    from launch.preparing import sets  # imports tfds, which --help need not wait for

    print(sets.prepare(_CONFIG.value, _DATA.value))


if __name__ == "__main__":
    cli.run(main, computes=False)
