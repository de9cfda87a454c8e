"""Small runs, sweeps and clips on disk for reports, which nothing has trained."""

import json
from pathlib import Path

import numpy as np

from data_pipeline.video_files import write_video
from launch.figures import results
from launch.sweeps import plans
from launch.sweeps.trials import Trial
from xdancer_jax import paths
from xdancer_jax.evals.protocols import Result
from xdancer_jax.train import record

DATA = "d" * 64
CONFIGS = {
    "motion": {"model": {"global_music": True, "motion_context": True, "width": 64}, "data": {"share": 1.0}},
    "tokenizer": {"single_part": False},
    "video": {"pose_control": "motion_decoder", "earlier": {"tokenizer": {"single_part": False}}},
}
BEATS = Result(
    "bas_masked_100ms", {"sigma_ms": 100.0}, {"score": 0.6, "low": 0.5, "high": 0.7, "ground_truth": 0.75},
    {"motions": 2}, notes=("two dances alone",),
)  # fmt: skip
POSES = Result("pose_l1_half_height", {}, {"full_body": 0.02, "head": 0.01, "hands": 0.03})
CODES = Result(
    "codebook_use", {"entries": 256}, {"head/used": 0.5, "head/perplexity": 40.0, "left_hand/used": 0.25,
                                       "left_hand/perplexity": 9.0}, {"tokens_per_part": 480},
)  # fmt: skip


def run(folder: Path, stage="motion", found=(BEATS,), step=6, data=DATA, split="test", config=None, **taken) -> str:
    """A work directory with metrics and, where `found` has any, figures of `step`. taken: of the data."""
    config = (CONFIGS[stage] if config is None else config) | {"name": stage}
    record.write(folder, {"stage": stage, "config": config, "facts": {}, "changes": []})
    lines = [{"step": n, "loss": 3.0 / n} | ({"eval/loss": 3.5 / n} if n % 3 == 0 else {}) for n in range(1, step + 1)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if found:
        source = {"run": str(folder), "step": step, "split": split, "fingerprint": data, **taken}
        results.add(paths.at(folder) / results.NAME, found, source)
    return str(folder)


def suite(folder: Path, name: str, result: Result, step: int | None = 6, data=DATA, **changes) -> Path:
    """A file of a suite's figures: of a run in its work directory, of other systems' clips without a step."""
    place = (folder if step is None else folder / "evaluation" / f"step_{step}") / name
    place.mkdir(parents=True, exist_ok=True)
    content = {
        "format": 1, "suite": name, "step": step, "result": json.loads(result.as_json()), "data": data, "weights": {},
        "command": "launch.evaluate --suite", "versions": {}, "date": "2026-01-01", **changes,
    }  # fmt: skip
    path = place / f"{result.protocol}.json"
    path.write_text(json.dumps(content))
    return path


def clip(folder: Path, name="a", frames=20, sound=True, beats=True) -> np.ndarray:
    """NAME.mp4, NAME_truth.mp4 and NAME.npz in `folder`, which is made; its poses, record coordinates."""
    folder.mkdir(parents=True, exist_ok=True)
    time = np.arange(frames)[:, None, None] / 30
    poses = np.ones((frames, 60, 3), np.float32)
    poses[..., :2] = np.random.default_rng(0).uniform(-0.4, 0.4, (1, 60, 2)) + 0.1 * np.cos(4 * np.pi * time)
    more = {"beats": np.arange(0, frames, 15)} if beats else {}
    np.savez(folder / f"{name}.npz", poses=poses, tokens=np.zeros((frames, 5, 1), np.int32), **more)
    audio = 0.1 * np.sin(np.arange(8000 * frames // 30) / 3) if sound else None
    for end, shade in (("", 200), ("_truth", 90)):
        pictures = np.full((frames, 56, 32, 3), shade, np.uint8)
        write_video(folder / f"{name}{end}.mp4", pictures, 30, audio, 8000)
    return poses


def sweep(folder: Path, values=(0.6, 0.7, 0.8), data=DATA) -> str:
    """A sweep of motion runs, a seed each, with one that is not trained yet."""
    trials = []
    for seed in range(len(values) + 1):
        trials.append(Trial(f"motion-{seed}", "full", "configs/motion.py:tiny", "motion", {}, (), 6, seed, "d", "test"))
    plans.write(str(folder), trials, ["launch.sweep"])
    for seed, value in enumerate(values):
        run(folder / f"motion-{seed}", found=[Result("bas_masked_100ms", {}, {"score": value})], data=data)
    return str(folder)
