"""Examples that a run makes while it trains, to look at: the same clips and the same seed at every evaluation."""

import logging
import time
from pathlib import Path

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from data_pipeline.feature_sets import FeatureSet
from launch import stages
from launch.figures import grids
from launch.figures.data import Data
from launch.runs.loading import Run
from xdancer_jax import paths
from xdancer_jax.sharding import Place, Rules
from xdancer_jax.stage import Stage
from xdancer_jax.train import disk
from xdancer_jax.train.hooks import Hook
from xdancer_jax.train.state import TrainState

_log = logging.getLogger(__name__)


def samples_hook(
    config: ConfigDict, workdir: str | Path, stage: Stage, mesh: Mesh, rules: Rules, features: FeatureSet | None = None
) -> Hook:
    """Draws WORKDIR/samples/step_000500.png, or .mp4, of the first `config.samples` clips of the evaluation split.

    What is drawn the stage's `samples` says. Every process takes part, process 0 writes. It takes the weights that the
    evaluations take (averaged ones where there are any), where they lie, and keeps none. What cannot be written is a
    warning. The metric: "samples/seconds". features: of the music, for a stage that hears it.
    """
    definition = stages.find(config.name)
    draw = getattr(definition, "samples", None)
    modules = definition.modules(config)
    data = Data(config.data.dir, config.data.eval_split, config.samples, seed=config.seed)

    def run(step: int, state: TrainState) -> dict[str, float]:
        began = time.perf_counter()
        now = Run(
            paths.at(workdir), config, modules, stage, state.eval_params, state.extra, step, {}, Place(mesh, rules),
            features,
        )
        grid = draw(now, data)
        if jax.process_index() == 0:
            try:
                grids.write(paths.at(workdir) / "samples" / f"step_{step:06d}", grid)
            except OSError as error:
                _log.warning("warning: %s/samples: not written, training goes on: %s", workdir, disk.reason(error))
        return {"seconds": time.perf_counter() - began}

    return Hook("samples", config.eval_every if draw and config.samples else 0, run)


__all__ = ["samples_hook"]
