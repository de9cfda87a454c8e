"""The motion stage at full size on the accelerator at hand: model FLOPs of a training step, speed of the sampler.

    python -m benchmarks.accelerator --out FILE.json [--variant medium --variant small] [--batch_size 24] [--remat dots]

bfloat16 over float32 weights, random weights and poses, one device, medians; the file grows by each part. The step is
the trainer's own, over an untrained tokenizer; its MFU (model FLOPs utilisation) is over what xdancer_jax/flops.py
counts.
The sampler's speed is that of whole dances, as `generate` makes them, at each number of rows.
"""

import functools
import json
import time
from pathlib import Path

import jax
import numpy as np
from absl import flags

from benchmarks import sampler, training_step
from benchmarks.sampler import FEATURES, Dancing
from benchmarks.timing import bandwidth, medians
from benchmarks.training_flags import OUT
from configs import motion
from data_pipeline.files import write_atomically
from launch.shell import cli, devices, outputs
from xdancer_jax.models.music_gpt import MusicGPT
from xdancer_jax.stages import motion_sampling

_VARIANTS = flags.DEFINE_multi_string("variant", ["medium", "small"], "Of configs/motion.py. Once for each.")
_BATCH = flags.DEFINE_integer("batch_size", 24, "Examples of a training step; 0 leaves training out.", lower_bound=0)
_REMAT = flags.DEFINE_string("remat", motion.get_config().model.remat, "Of configs/motion.py.")
_ROWS = flags.DEFINE_multi_integer("rows", [1, 8, 64], "Dances that are sampled at once.", lower_bound=1)
_FRAMES = flags.DEFINE_integer("frames", 116, "Of each dance; 116 at 30 a second are two segments.", lower_bound=2)
_REPEATS = flags.DEFINE_integer("repeats", 5, "Of each measurement.", lower_bound=1)


def training(variant: str, repeats: int, **changes) -> dict[str, float]:
    """One step's time and its share of the device's peak; `changes` to the config: see training_step.configured."""
    config = training_step.configured(variant, **changes)
    step = training_step.compiled(config, jax.devices()[:1])
    random = np.random.default_rng(0)
    batch = {
        name: jax.device_put(random.random(x.shape, np.float32).astype(x.dtype), x.sharding)
        for name, x in step.lowered.batch.items()
    }
    state = [step.lowered.plan.create()]

    def run() -> None:
        state[0], metrics = step.program(state[0], batch, step.lowered.panel.set(1e-4))
        metrics["loss"].block_until_ready()

    seconds, model = medians(repeats, run)[0], MusicGPT(**config.model)
    chip = devices.chip(jax.devices()[0])
    return {
        "seconds": seconds, "slots_per_second": config.batch_size * model.num_positions / seconds,
        "model_flops": step.lowered.model_flops, "mfu": chip and step.lowered.model_flops / seconds / chip.flops,
        "compile_seconds": step.compile_seconds,
        "temporary_gigabytes": step.program.memory_analysis().temp_size_in_bytes / 1e9,
    }


def dancing(variant: str, rows: int, frames: int, repeats: int, rate: float) -> dict[str, float]:
    """How much dance a second gives when `rows` dances are made at once, and a token's share of the bandwidth `rate`
    (bytes a second)."""
    config = motion.get_config(variant)
    model = MusicGPT(**config.model, dtype="bfloat16")
    dances = Dancing.untrained(model, config.overlap_frames, rows)
    music = np.zeros((rows, frames, FEATURES), np.float32)
    song = np.zeros((rows, model.global_tokens, FEATURES), np.float32)
    given = np.zeros((rows, 1, model.num_parts, model.tokens_per_part), np.int32)

    def generate() -> None:
        motion_sampling.generate(
            model, dances.params, music, song, given, seeds=range(rows),
            sampling=motion_sampling.Sampling(**config.sampling),
            segments=motion_sampling.Segments(config.overlap_frames, config.data.previous),
        )

    began = time.perf_counter()
    generate()
    first, seconds = time.perf_counter() - began, medians(repeats, generate)[0]
    step = sampler.decode_step(dances, repeats)
    return {
        "first_dance_seconds": first, "dance_a_second": rows * frames / 30 / seconds,
        "real_time_each": frames / 30 / seconds, "token_seconds": step["seconds"],
        "bandwidth_fraction": step["bytes_per_second"] / rate,
    }


def main(argv: list[str]) -> None:
    del argv
    outputs.check_out(OUT.value, ".json")
    device, repeats = jax.devices()[0], _REPEATS.value
    rate = bandwidth(repeats, 500_000_000)
    found = {
        "jax": jax.__version__, "device_kind": device.device_kind, "bandwidth_bytes_per_second": rate,
        "batch_size": _BATCH.value, "remat": _REMAT.value,
    }
    for variant in _VARIANTS.value:
        parts = {
            f"{variant}_b{rows}": functools.partial(dancing, variant, rows, _FRAMES.value, repeats, rate)
            for rows in _ROWS.value
        }
        if _BATCH.value:
            parts[f"{variant}_train"] = functools.partial(
                training, variant, repeats, batch_size=_BATCH.value, remat=_REMAT.value
            )
        for name, run in parts.items():
            found[name] = run()
            print(name, json.dumps(found[name]), flush=True)
            write_atomically(Path(OUT.value), (json.dumps(found, indent=2) + "\n").encode())


if __name__ == "__main__":
    cli.run(main)
