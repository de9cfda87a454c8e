"""The figures of a trained run, offline: python -m launch.evaluate --run DIR --data DIR [--step N] [--out FILE]

DIR is a work directory of any stage. Each figure is printed with the protocol that made it (docs/metrics.md) and
added, with all its constants and what was measured, as a line to FILE (default: DIR/evaluation.jsonl, which TensorBoard
shows below DIR/tensorboard).

    python -m launch.evaluate --run DIR --data DIR --watch [--watch_minutes N]
    python -m launch.evaluate --run DIR --data DIR --suite motion|reconstruction|video|all [--step N|all] [--clips N]
    python -m launch.evaluate --from_videos DIR [--truth DIR | --data DIR] --suite motion|video|all --out DIR2

--watch evaluates every checkpoint that has no results yet, and those that come, until the run's last step. --suite
keeps clips and a file for each protocol in DIR/evaluation. Both may be stopped at any time and started again.
--coordinator HOST:PORT --num_processes N --process_id I divide the clips.
"""

import math

from absl import flags

from launch.figures import measuring, metric_flags, results, watching
from launch.figures.data import Data
from launch.runs import agreement, loading
from launch.shell import cli, distributed, outputs
from launch.suites import command
from xdancer_jax import paths

_RUN = flags.DEFINE_string("run", None, "Work directory of a run.")
_DATA = flags.DEFINE_string("data", None, "Prepared data set.")
_SPLIT = flags.DEFINE_string("split", "test", "Split of the data set.")
_CLIPS = flags.DEFINE_integer("clips", 0, "Clips of the split; 0 for all.", lower_bound=0)
_FRAMES = flags.DEFINE_integer("frames", 16, "Frames a clip that the video stage paints.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of everything drawn.", lower_bound=0)
_STEP = flags.DEFINE_string("step", None, "Checkpoint; the newest if not given. all: every one, with --suite.")
_OUT = flags.DEFINE_string("out", None, "File of results, DIR/evaluation.jsonl if not given; folder of --from_videos.")
_WATCH = flags.DEFINE_bool("watch", False, "Evaluate every checkpoint that is there or comes.")
_MINUTES = flags.DEFINE_float("watch_minutes", None, "Longest wait for a checkpoint; for ever if not given.", 0)
flags.adopt_module_key_flags(metric_flags)
flags.register_validator("watch_minutes", lambda n: n is None or math.isfinite(n), "must be a number of minutes")


def main(argv: list[str]) -> None:
    del argv
    asked = command.asked(flags.FLAGS)
    data = Data(_DATA.value, _SPLIT.value, _CLIPS.value, _FRAMES.value, _SEED.value)
    with distributed.join_alike(lambda: watching.left(_RUN.value) if _WATCH.value else ""):
        asked(data) if asked else _evaluate(data)


def _evaluate(data: Data) -> None:
    if _WATCH.value:
        return watching.watch(_RUN.value, data, _MINUTES.value)
    out, step = paths.at(_OUT.value or paths.at(_RUN.value) / results.NAME), _STEP.value and int(_STEP.value)
    run, setting = agreement.everywhere(lambda: (loading.load(_RUN.value, step=step), results.setting(data)))
    agreement.everywhere(lambda: outputs.check_out(str(out), ".jsonl"))
    measuring.evaluate(run, data, setting, out)


if __name__ == "__main__":
    cli.run(main)
