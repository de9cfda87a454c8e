"""The figures of a trained run, offline: python -m launch.evaluate --run DIR --data DIR [--step N] [--out FILE]

DIR is a work directory of any stage. Each figure is printed with the protocol that made it (docs/metrics.md) and
added, with all its constants and what was measured, as a line to FILE (default: DIR/evaluation.jsonl, which TensorBoard
shows below DIR/tensorboard).

    python -m launch.evaluate --run DIR --data DIR --watch [--watch_minutes N]

evaluates every checkpoint that has no results yet, oldest first, and those that come, until the run's last step; it may
be stopped at any time and started again. --coordinator HOST:PORT --num_processes N --process_id I divide the clips.
"""

import math
from pathlib import Path

from absl import flags

from launch.figures import measuring, results, watching
from launch.figures.data import Data
from launch.runs import agreement, loading
from launch.shell import cli, distributed, outputs

_RUN = flags.DEFINE_string("run", None, "Work directory of a run.")
_DATA = flags.DEFINE_string("data", None, "Prepared data set.")
_SPLIT = flags.DEFINE_string("split", "test", "Split of the data set.")
_CLIPS = flags.DEFINE_integer("clips", 0, "Clips of the split; 0 for all.", lower_bound=0)
_FRAMES = flags.DEFINE_integer("frames", 16, "Frames a clip that the video stage paints.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of everything drawn.", lower_bound=0)
_STEP = flags.DEFINE_integer("step", None, "Checkpoint; the newest if not given.", lower_bound=1)
_OUT = flags.DEFINE_string("out", None, "File of results; DIR/evaluation.jsonl if not given.")
_WATCH = flags.DEFINE_bool("watch", False, "Evaluate every checkpoint that is there or comes.")
_MINUTES = flags.DEFINE_float("watch_minutes", None, "Longest wait for a checkpoint; for ever if not given.", 0)
flags.register_validator("watch_minutes", lambda n: n is None or math.isfinite(n), "must be a number of minutes")
flags.mark_flags_as_required(["run", "data"])


def main(argv: list[str]) -> None:
    del argv
    wrong = ("step", "out") if _WATCH.value else ("watch_minutes",)
    if given := [name for name in wrong if flags.FLAGS[name].value is not None]:
        raise ValueError(f"--{given[0]}: {'not with' if _WATCH.value else 'only with'} --watch")
    distributed.join_alike()
    data = Data(_DATA.value, _SPLIT.value, _CLIPS.value, _FRAMES.value, _SEED.value)
    if _WATCH.value:
        try:
            return watching.watch(_RUN.value, data, _MINUTES.value)
        except KeyboardInterrupt as stopped:
            stopped.args = (watching.left(_RUN.value),)
            raise
    out = Path(_OUT.value or Path(_RUN.value) / results.NAME)
    run, setting = agreement.everywhere(lambda: (loading.load(_RUN.value, step=_STEP.value), results.setting(data)))
    agreement.everywhere(lambda: outputs.check_out(str(out), ".jsonl"))
    measuring.evaluate(run, data, setting, out)


if __name__ == "__main__":
    cli.run(main)
