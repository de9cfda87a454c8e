"""What fine-tuning on one choreography learns and what it forgets, without and with replay of the general data.

    python -m benchmarks.finetune --run out/motion --data GENERAL --choreography CHOREOGRAPHY --out finetune.json

Trains the config's run twice from one base, with a replay rate of 0 and with the config's, and measures the held-out
cross-entropy (nats a token) before and after on the test splits of both data sets: in windows that go on from the real
frames before ("dance") and in those that start from a standing pose, as from a photo ("standing"). All models see the
same windows; intervals are bootstrapped over clips.
"""

import json
import tempfile
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags

from benchmarks.training_flags import OUT, STEPS
from configs import motion
from data_pipeline import loaders
from data_pipeline.files import write_atomically
from launch import stages
from launch.figures import train_demo_steps
from launch.runs import loading, training
from launch.shell import cli, outputs
from xdancer_jax.evals.bootstrap import Bootstrap
from xdancer_jax.rng import Chance

_RUN = flags.DEFINE_string("run", None, "Work directory of the motion run to start from.")
_DATA = flags.DEFINE_string("data", None, "Data set that the base was trained on; replayed.")
_CHOREOGRAPHY = flags.DEFINE_string("choreography", None, "Data set to fine-tune on, of one choreography.")
_VARIANT = flags.DEFINE_string("variant", "tiny_finetune", "Of configs/motion.py.")
_SEED = flags.DEFINE_integer("seed", 0, "Of training.", lower_bound=0)
_PASSES = flags.DEFINE_integer("passes", 8, "Windows of each test clip.", lower_bound=1)
flags.mark_flags_as_required(["run", "data", "choreography", "out"])

STARTS = {"dance": 0.0, "standing": 1.0}  # static_context_rate of the windows

Losses = dict[tuple[str, str], np.ndarray]  # (data set, start) -> (clips,) mean cross-entropy of each clip


def measure(run: loading.Run, data_dirs: dict[str, str], passes: int) -> Losses:
    """Held-out losses of a run on the test split of every data set; the same windows for every run."""
    chance = Chance.whole(jax.random.key(0), 1)
    loss = jax.jit(lambda *arguments: run.stage.loss(*arguments, chance, False)[0])
    found = {}
    for name, data_dir in data_dirs.items():
        for start, rate in STARTS.items():
            batches = _windows(run, data_dir, rate, passes)
            values = np.array([float(loss(run.params, run.extra, batch)) for batch in batches])
            found[name, start] = values.reshape(passes, -1).mean(axis=0)  # pass after pass over the clips in order
    return found


def _windows(run: loading.Run, data_dir: str, static_context_rate: float, passes: int):
    cut = stages.find("motion").window(run.config, False).cut | {"static_context_rate": static_context_rate}
    return loaders.motion(data_dir, run.config.data.eval_split, 1, **cut, shuffle=False, num_epochs=passes)


def finetune(base: str, data: str, choreography: str, replay_rate: float, passes: int) -> Losses:
    """The losses of a run that is trained and removed again."""
    config = configured(base, data, choreography)
    config.data.replay_rate = replay_rate
    with tempfile.TemporaryDirectory(prefix="finetune_") as workdir:
        training.train(config.lock(), workdir)
        return measure(loading.load(workdir), {"choreography": choreography, "general": data}, passes)


def configured(base: str, data: str, choreography: str):
    """The config of the fine-tuning run, but for its replay rate."""
    config = motion.get_config(_VARIANT.value)
    config.seed, config.start = _SEED.value, base
    config.data.dir, config.data.replay_dir = choreography, data
    config.steps = STEPS.value or config.steps
    config.eval_every, config.checkpoint.every = 0, 0
    return config


def summary(values: np.ndarray) -> list[float]:
    """Mean over clips, and the ends of its interval."""
    return [float(values.mean()), *Bootstrap()(values)]


def table(before: Losses, after: dict[float, Losses]) -> list[dict[str, Any]]:
    """A row for each data set and start; "change" and "by_replay" are paired by clip.

    `after` by replay rate, 0 the first. "by_replay" is what replay takes off the loss after fine-tuning (negative) or
    adds to it.
    """
    rows = []
    for (name, start), base in before.items():
        losses = {rate: found[name, start] for rate, found in after.items()}
        rows.append({
            "data": name, "start": start, "clips": len(base), "before": summary(base),
            "after": {str(rate): summary(values) for rate, values in losses.items()},
            "change": {str(rate): summary(values - base) for rate, values in losses.items()},
            "by_replay": {str(rate): summary(values - losses[0.0]) for rate, values in losses.items() if rate},
        })
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    def cell(values, sign=""):
        return f"{values[0]:{sign}.3f} [{values[1]:{sign}.3f}, {values[2]:{sign}.3f}]"

    for row in rows:
        print(f"{row['data']:<13} {row['start']:<9} ({row['clips']} clips)  before {cell(row['before'])}")
        for rate, values in row["after"].items():
            effect = f"  replay adds {cell(row['by_replay'][rate], '+')}" if rate in row["by_replay"] else ""
            print(f"  replay {rate:<5} after {cell(values)}  change {cell(row['change'][rate], '+')}{effect}")


def main(argv: list[str]) -> None:
    del argv
    outputs.check_out(OUT.value, ".json")
    train_demo_steps.set_environment()
    base, data, choreography, passes = _RUN.value, _DATA.value, _CHOREOGRAPHY.value, _PASSES.value
    config = configured(base, data, choreography)
    if not config.data.replay_rate:
        raise ValueError(f"--variant={_VARIANT.value}: its data.replay_rate is 0; choose one that fine-tunes")
    before = measure(loading.load(base, "motion"), {"choreography": choreography, "general": data}, passes)
    rates = (0.0, config.data.replay_rate)
    rows = table(before, {rate: finetune(base, data, choreography, rate, passes) for rate in rates})
    constants = {
        "protocol": "motion_cross_entropy_nats", "interval": "95% percentile bootstrap over clips", "passes": passes,
        "variant": _VARIANT.value, "steps": config.steps, "seed": config.seed, "data": config.data.to_dict(),
    }
    write_atomically(Path(OUT.value), (json.dumps(constants | {"rows": rows}, indent=2) + "\n").encode())
    show(rows)
    print(OUT.value)


if __name__ == "__main__":
    cli.run(main)
