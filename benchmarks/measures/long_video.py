"""A long video of an untrained run: seconds a frame, memory by length, and what is seen where windows meet."""

import resource
import time
from collections.abc import Iterable, Sequence
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from configs import video
from launch import stages
from launch.runs import loading, resolve
from xdancer_jax import sharding
from xdancer_jax.diffusion import windows
from xdancer_jax.stages.video_sampling import Sampler, make_generate
from xdancer_jax.train import trees

FPS = 30


def rows(seconds: Sequence[float], **sampler: Any) -> list[dict[str, float]]:
    """Of video:tiny_motion with random weights and fields of `sampler` of its own, one row a length, shortest first."""
    config = video.get_config("tiny_motion")
    for part in config.parts.values():
        part.source = "part:unet" if part.source == "part:unet" else "random"
    config.sampler.update(sampler)
    config = resolve.resolve(config)
    definition, weights = stages.find("video"), _weights(config)
    objective, chosen = definition.objective(config), Sampler(**config.sampler)
    generate = make_generate(definition.networks(config), objective.schedule, objective.prediction, chosen)
    found = []
    for length in (1.0, *sorted(seconds)):  # the first compiles the networks
        clip, began = _clip(config, round(length * FPS)), time.perf_counter()
        frames = generate.stream(weights["params"], weights["extra"], jax.random.key(0), **clip)
        ratio = seam_ratio((frame for chunk in frames for frame in chunk), len(clip["poses"]), chosen)
        passed = time.perf_counter() - began
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found.append({
            "seconds": length, "seconds_a_frame": passed / len(clip["poses"]), "peak_mb": peak, "seam_ratio": ratio,
        })
    return found[1:]


def seam_ratio(frames: Iterable[np.ndarray], count: int, sampler: Sampler) -> float:
    """Mean difference of neighbouring frames where a window begins or ends, over that elsewhere; windows as they lie at
    the last step. Nan for a clip of one window."""
    turn = sampler.num_steps - 1 if sampler.shift else 0
    shift = windows.shift(turn, sampler.window, sampler.overlap)
    first = windows.starts(max(count, sampler.window), sampler.window, sampler.overlap, shift)
    borders = {*first[1:], *(first[:-1] + sampler.window)}
    differences: dict[bool, list[float]] = {True: [], False: []}
    before = None
    for number, frame in enumerate(frames):
        if before is not None:
            differences[number in borders].append(float(np.abs(frame - before).mean()))
        before = frame
    return float(np.mean(differences[True]) / np.mean(differences[False])) if borders else float("nan")


def _weights(config: ConfigDict) -> dict[str, Any]:
    rng, mesh = np.random.default_rng(0), sharding.one_device().mesh

    def values(path: str, leaf: jax.ShapeDtypeStruct) -> jax.Array:
        drawn = 0.1 * rng.standard_normal(leaf.shape)
        return jax.device_put((np.abs(drawn) + 1 if path.startswith("extra/") else drawn).astype(leaf.dtype))

    return trees.nested({path: values(path, leaf) for path, leaf in loading.placed(config, mesh, "data").items()})


def _clip(config: ConfigDict, frames: int) -> dict[str, np.ndarray]:
    """A photo of noise; joints that go to and fro, and tokens that change every fifth frame."""
    rng, size = np.random.default_rng(0), (config.data.height, config.data.width, 3)
    swing = np.sin(np.arange(frames)[:, None, None] / 15 + rng.uniform(0, 6, (60, 3)))
    model = config.earlier.tokenizer.model
    tokens = rng.integers(0, model.codebook_size, (-(-frames // 5), 5, model.tokens_per_part)).repeat(5, axis=0)
    return {
        "reference": rng.integers(0, 256, size, dtype=np.uint8), "poses": (0.5 + 0.5 * swing).astype(np.float32),
        "tokens": tokens[:frames].astype(np.int32),
    }


__all__ = ["rows", "seam_ratio"]
