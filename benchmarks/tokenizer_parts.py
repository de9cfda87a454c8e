"""Five parts against one: held-out pose L1 of the tokenizer's `tiny` and `tiny_single_part`, over seeds and data sets.

    python -m benchmarks.tokenizer_parts --data DIR [--data DIR] [--seed 0 --seed 1 ...] --out parts.json

Both have as many tokens a frame, and with a seed both see the same batches: the differences are paired by seed. The
groups are those of the paper's ablation (full body, head, hands).
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import flags
from scipy import stats
from tqdm import tqdm

from benchmarks.training_flags import OUT, STEPS
from configs import tokenizer
from data_pipeline.files import write_atomically
from launch import stages
from launch.figures import train_demo_steps
from launch.figures.data import Data
from launch.runs import loading, training
from launch.shell import cli, outputs

_DATA = flags.DEFINE_multi_string("data", None, "Prepared data set. Once for each.")
_SEEDS = flags.DEFINE_multi_integer("seed", [0, 1, 2, 3, 4], "Of training. Once for each; two at least.", lower_bound=0)
flags.mark_flags_as_required(["data", "out"])

GROUPS = ("full_body", "head", "hands")
VARIANTS = ("tiny", "tiny_single_part")


class Comparison(NamedTuple):
    """Mean errors, multi / single, and mean and interval of single - multi over the seeds.

    better: the interval lies above zero, so that several parts are better than one.
    """

    multi: float
    single: float
    ratio: float
    difference: float
    low: float
    high: float
    better: bool


def compare(multi: Sequence[float], single: Sequence[float], level: float = 0.95) -> Comparison:
    """Of errors by seed, in the same order; the interval is Student's t of the paired differences.

    Percentiles of a bootstrap would be too narrow for five values.
    """
    if len(multi) != len(single) or len(multi) < 2:
        raise ValueError(f"--seed: an interval needs two seeds at least, got {len(multi)} and {len(single)} runs")
    differences = np.subtract(single, multi)
    mean, half = differences.mean(), stats.t.ppf((1 + level) / 2, len(multi) - 1) * stats.sem(differences)
    ours, theirs = float(np.mean(multi)), float(np.mean(single))
    low, high = float(mean - half), float(mean + half)
    return Comparison(ours, theirs, ours / theirs, float(mean), low, high, low > 0)


def measure(variant: str, data_dir: str, seed: int, steps: int | None) -> dict[str, float]:
    """Held-out pose L1 by group of a run that is trained and removed again; evaluated as launch.evaluate does."""
    config = tokenizer.get_config(variant)
    config.seed, config.data.dir = seed, data_dir
    config.steps = steps or config.steps
    config.eval_every, config.checkpoint.every = 0, 0
    with tempfile.TemporaryDirectory(prefix="tokenizer_parts_") as workdir:
        training.train(config.lock(), workdir)
        errors = stages.find(config.name).figures(loading.load(workdir), Data(data_dir))[0]
    return {group: errors.values[group] for group in GROUPS}


def benchmark(data_dirs: Sequence[str], seeds: Sequence[int], steps: int | None) -> dict[str, Any]:
    """For each data set, the errors of every run by variant and seed, and the comparison by group."""
    found: dict[str, Any] = {}
    with tqdm(total=len(data_dirs) * len(seeds) * len(VARIANTS), desc="runs", unit="run") as progress:
        for data_dir in data_dirs:
            errors = {variant: [] for variant in VARIANTS}
            for seed in seeds:
                for variant in VARIANTS:
                    errors[variant].append(measure(variant, data_dir, seed, steps))
                    progress.update()
            columns = {g: [[run[g] for run in errors[variant]] for variant in VARIANTS] for g in GROUPS}
            groups = {group: compare(*both)._asdict() for group, both in columns.items()}
            found[data_dir] = {"errors": errors, "groups": groups}
    return found


def main(argv: list[str]) -> None:
    del argv
    if len(set(_SEEDS.value)) < max(2, len(_SEEDS.value)):
        raise ValueError(f"--seed, given as {_SEEDS.value}: give two numbers at least, and each once")
    outputs.check_out(OUT.value, ".json")
    train_demo_steps.set_environment()
    found = benchmark(_DATA.value, _SEEDS.value, STEPS.value)
    constants = {"protocol": "pose_l1_half_height", "interval": "95% t, paired by seed", "seeds": _SEEDS.value}
    write_atomically(Path(OUT.value), (json.dumps(constants | {"data": found}, indent=2) + "\n").encode())
    print(f"{'data':<24} {'group':<10} multi   single  ratio  single - multi (95%)      multi better")
    for data_dir, of in found.items():
        for group, row in of["groups"].items():
            c = Comparison(**row)
            print(
                f"{Path(data_dir).name:<24} {group:<10} {c.multi:.4f}  {c.single:.4f}  {c.ratio:.2f}   "
                f"{c.difference:+.4f} [{c.low:+.4f}, {c.high:+.4f}]  {'yes' if c.better else 'not shown'}"
            )
    print(OUT.value)


if __name__ == "__main__":
    cli.run(main)
