"""Trains a stage, or goes on from its newest checkpoint.

    python -m launch.train --config configs/motion.py:tiny --workdir DIR [--config.optimizer.learning_rate=1e-4]
"""

import time

from absl import flags
from ml_collections import config_flags

from launch import build, cli
from xdancer_jax import sharding
from xdancer_jax.train import hooks
from xdancer_jax.train.loop import train

_CONFIG = config_flags.DEFINE_config_file("config", None, "configs/STAGE.py:VARIANT.", lock_config=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "Where checkpoints, metrics and the config go.")
flags.mark_flags_as_required(["config", "workdir"])


def main(argv: list[str]) -> None:
    del argv
    began = time.perf_counter()
    config, weights = build.resolve(_CONFIG.value)
    stage = build.stage(config, weights)
    mesh, rules = sharding.make_mesh(config.mesh), build.rules(config)
    evaluation = hooks.evaluation(
        stage, lambda: build.batches(config, config.data.eval_split, train=False), every=config.eval_every,
        batches=config.eval_batches, mesh=mesh, rules=rules,
    )
    _, summary = train(
        stage, build.optimizer(config), lambda step: build.batches(config, config.data.train_split, step),
        workdir=_WORKDIR.value, config=config.to_dict(), seed=config.seed, steps=config.steps, mesh=mesh, rules=rules,
        ema_decay=config.ema_decay, log_every=config.log_every, checkpoint_every=config.checkpoint.every,
        checkpoint_keep=config.checkpoint.keep, hooks=[evaluation],
    )
    print(
        f"{config.name}: steps {summary.start_step} to {summary.step}, {summary.steps_per_second:.2f} steps/s, "
        f"compiled in {summary.compile_seconds:.1f} s, {time.perf_counter() - began:.1f} s in all; {_WORKDIR.value}"
    )


if __name__ == "__main__":
    cli.run(main)
