"""Prepares a data set, which launch.train takes:

    python -m launch.prepare --config configs/data.py:toy --data DATA
    python -m launch.prepare --config configs/data.py:videos --data DATA --config.videos=FOLDER
    python -m launch.prepare --config configs/data.py:poses --data DATA --config.poses.files=LIST.txt

A set that is complete is left as it is. One that was stopped goes on where it was, with the clips that are finished.
DATA/NAME.report tells what was kept, and why the rest was not.
"""

from pathlib import Path

from absl import flags
from ml_collections import config_flags
from tqdm import tqdm

from launch.shell import cli

_CONFIG = config_flags.DEFINE_config_file("config", None, "configs/data.py:VARIANT.", lock_config=True)
_DATA = flags.DEFINE_string("data", None, "Folder for the data set.")
flags.mark_flags_as_required(["config", "data"])


def main(argv: list[str]) -> None:
    del argv
    from data_pipeline.preparation import running, whole  # import tfds, which --help need not wait for
    from data_pipeline.preparation.cache import Cache
    from launch.preparing import plans

    config = _CONFIG.value
    plan = plans.plan(config, _DATA.value)
    beam = running.beam_options(config.workers, config.beam)
    plans.check_estimator(config)
    cache = Cache(config.cache or str(Path(_DATA.value, "cache")))
    with tqdm(total=len(plan.jobs), desc=config.variant, unit="clip") as bar:
        done = whole.prepare(plan, cache, beam, lambda count: bar.update(count - bar.n))
    if not config.keep_cache:
        cache.remove()
    print(done)


if __name__ == "__main__":
    cli.run(main, computes=False)
