"""Trains a stage, or goes on from its newest checkpoint.

    python -m launch.train --config configs/motion.py:tiny --workdir DIR [--config.optimizer.learning_rate=1e-4]
        [--allow_change FIELD] [--coordinator HOST:PORT --num_processes N --process_id I]

On Cloud TPU, GKE, Slurm and Open MPI start the same command on every host, without the three last flags. A process that
dies ends the others within a minute, with one line that names it; start all again.
Ctrl-C and SIGTERM save the step under way; the exit status is then 75: the same command goes on from there.
A run goes on with the fields and data that it was begun with; --allow_change lets a named one differ, and records it.
"""

import time

import jax
from absl import flags
from ml_collections import config_flags

from launch.runs import training
from launch.shell import cli, distributed, signals

_CONFIG = config_flags.DEFINE_config_file("config", None, "configs/STAGE.py:VARIANT.", lock_config=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "Where checkpoints, metrics and the config go.")
_ALLOW = flags.DEFINE_multi_string("allow_change", [], "Field that may differ from the run's so far. Once for each.")
flags.mark_flags_as_required(["config", "workdir"])


def main(argv: list[str]) -> None:
    del argv
    began = time.perf_counter()
    with distributed.join(lambda: training.left(_WORKDIR.value)):
        try:
            summary = training.train(_CONFIG.value, _WORKDIR.value, allow_change=tuple(_ALLOW.value))
        except KeyboardInterrupt as stopped:
            stopped.args = (training.left(_WORKDIR.value),)
            raise
    if summary.interrupted:
        signals.leave_resumable(training.left(_WORKDIR.value))
    speed = f"{summary.steps_per_second:.2f} steps/s, " if summary.steps_per_second else ""
    if jax.process_index() > 0:
        return
    print(
        f"{_CONFIG.value.name}: steps {summary.start_step} to {summary.step}, {speed}"
        f"compiled in {summary.compile_seconds:.1f} s, {time.perf_counter() - began:.1f} s in all; {_WORKDIR.value}"
    )


if __name__ == "__main__":
    cli.run(main)
