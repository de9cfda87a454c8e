"""Figures of launch.train_demo: of each of its runs, on held-out data, kept in the run's evaluation.jsonl too."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from launch import stages
from launch.figures import results, train_demo_steps, videos
from launch.figures.data import Data
from launch.runs import loading
from launch.runs.loading import Run
from xdancer_jax import paths
from xdancer_jax.evals.protocols import Result

_NAMES = ("tokenizer", "tokenizer_single_part", "motion", "autoencoder")


def measure(
    setting: train_demo_steps.Setting, out: Path, data: Data
) -> tuple[dict[str, Sequence[Result]], dict[str, list[tuple]]]:
    """(results by run, what each video run painted by run, see videos.self_driven) of the demo under `out`."""
    runs = {name: loading.load(out / name) for name in (*_NAMES, *train_demo_steps.video_runs(setting))}
    found = {name: stages.find(runs[name].config.name).figures(runs[name], data) for name in _NAMES}
    painting = train_demo_steps.video_runs(setting)
    with ThreadPoolExecutor(2) as pool:  # most of it compiles, on one core each
        clips = pool.map(lambda name: videos.self_driven(runs[name], data), painting)
        painted = dict(zip(painting, clips, strict=True))
    found |= {name: videos.video_figures(clips) for name, clips in painted.items()}
    for name, of in found.items():
        keep(runs[name], data, of)
    return found, painted


def keep(run: Run, data: Data, found: Sequence[Result]) -> None:
    """Adds the figures of a run to its evaluation.jsonl, as launch.evaluate does."""
    source = {"run": str(run.workdir), "step": run.step, "directory": data.directory, **results.setting(data)}
    results.add(paths.at(run.workdir) / results.NAME, found, source)


__all__ = ["keep", "measure"]
