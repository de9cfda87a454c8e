"""The motion stage's training step compiled for a TPU slice that is not here: what it needs of a chip's memory.

    TPU_SKIP_MDS_QUERY=1 python -m benchmarks.tpu_compile --topology v5e:4x4 --out FILE.json \
        [--variant medium] [--batch_size 32] [--sharding fsdp]

Needs libtpu (pip install libtpu) and no TPU. The step is the trainer's own, over an untrained tokenizer's weights.
"""

import json
import time
from pathlib import Path

import jax
from absl import flags
from jax.experimental import topologies

from benchmarks.training_flags import OUT
from configs import motion, tokenizer
from data_pipeline import loaders
from data_pipeline.media import write_atomically
from launch import build, cli, generation, resolve
from xdancer_jax import sharding
from xdancer_jax.train.state import plan_state
from xdancer_jax.train.step import compile_for, make_train_step

_TOPOLOGY = flags.DEFINE_string("topology", "v5e:4x4", "Slice, as libtpu names it.")
_VARIANT = flags.DEFINE_string("variant", "medium", "Of configs/motion.py.")
_BATCH = flags.DEFINE_integer("batch_size", 32, "Examples a step, over all chips.", lower_bound=1)
_SHARDING = flags.DEFINE_string("sharding", "fsdp", "Table of configs/sharding.py.")
_REMAT = flags.DEFINE_string("remat", "full", "Of configs/motion.py.")


def configured():
    """The config, and zeros for the weights that its stage stands on."""
    config, earlier = motion.get_config(_VARIANT.value), tokenizer.get_config("paper")
    earlier.earlier = {}
    config.earlier = {"tokenizer": earlier}
    config.update(batch_size=_BATCH.value, sharding=_SHARDING.value, dtype="bfloat16")
    config.model.remat = _REMAT.value
    shapes = resolve.abstract(earlier)
    return config, {"tokenizer_from": jax.tree.map(lambda x: jax.numpy.zeros(x.shape, x.dtype), shapes)}


def compiled(devices) -> tuple[jax.stages.Compiled, float]:
    """The step for `devices`, and the seconds that tracing and compiling took."""
    config, weights = configured()
    stage, optimizer, rules = build.stage(config, weights), build.optimizer(config), build.rules(config)
    axis = "data" if config.sharding == "data" else "fsdp"
    mesh = sharding.make_mesh({"data": 1, "fsdp": 1, "tensor": 1} | {axis: len(devices)}, devices)
    loader, window = build.window(config, train=True)
    split = sharding.batch_sharding(mesh, rules, config.batch_size)
    batch = {
        name: jax.ShapeDtypeStruct(shape, dtype, sharding=split)
        for name, (shape, dtype) in loaders.element_spec(loader, config.batch_size, **window).items()
    }
    plan = plan_state(stage, optimizer, batch, seed=0, ema=False, mesh=mesh, rules=rules)
    began = time.perf_counter()
    step = make_train_step(stage, optimizer, plan.mask, 0.0)
    program = compile_for(
        mesh, rules, step, plan.abstract, batch, out_shardings=(plan.layout, sharding.replicated(mesh)),
        donate_argnums=0,
    )
    return program, time.perf_counter() - began


def main(argv: list[str]) -> None:
    del argv
    generation.check_out(OUT.value, ".json")
    devices = topologies.get_topology_desc(platform="tpu", topology_name=_TOPOLOGY.value).devices
    program, seconds = compiled(devices)
    memory, text = program.memory_analysis(), program.as_text()
    found = {
        "topology": _TOPOLOGY.value, "devices": len(devices), "device_kind": devices[0].device_kind,
        "variant": _VARIANT.value, "batch_size": _BATCH.value, "sharding": _SHARDING.value, "remat": _REMAT.value,
        "jax": jax.__version__, "compile_seconds": seconds,
        "gigabytes_a_device": {
            "arguments": memory.argument_size_in_bytes / 1e9, "temporaries": memory.temp_size_in_bytes / 1e9,
            "outputs": memory.output_size_in_bytes / 1e9, "outputs_in_arguments": memory.alias_size_in_bytes / 1e9,
        },
        "flops_a_device": program.cost_analysis()["flops"],  # custom calls and all but one turn of loops left out
        "pallas_calls": text.count("tpu_custom_call"), "all_gathers": text.count(" all-gather"),
        "reduce_scatters": text.count(" reduce-scatter"), "all_reduces": text.count(" all-reduce"),
    }
    content = json.dumps(found, indent=2)
    write_atomically(Path(OUT.value), (content + "\n").encode())
    print(content)


if __name__ == "__main__":
    cli.run(main)
