"""The motion stage's training step compiled for a TPU slice that is not here: what it needs of a chip's memory.

    TPU_SKIP_MDS_QUERY=1 python -m benchmarks.tpu_compile --topology v5e:4x4 --out FILE.json \
        [--variant medium] [--batch_size 32] [--sharding fsdp]

Needs libtpu (pip install libtpu) and no TPU. The step is the trainer's own, over an untrained tokenizer.
"""

import json
from pathlib import Path

import jax
from absl import flags
from jax.experimental import topologies

from benchmarks import training_step
from benchmarks.training_flags import OUT
from configs import motion
from data_pipeline.files import write_atomically
from launch.shell import cli, outputs

_TOPOLOGY = flags.DEFINE_string("topology", "v5e:4x4", "Slice, as libtpu names it.")
_VARIANT = flags.DEFINE_string("variant", "medium", "Of configs/motion.py.")
_BATCH = flags.DEFINE_integer("batch_size", 32, "Examples a step, over all chips.", lower_bound=1)
_SHARDING = flags.DEFINE_string("sharding", "fsdp", "Table of configs/sharding.py.")
_REMAT = flags.DEFINE_string("remat", motion.get_config().model.remat, "Of configs/motion.py.")


def main(argv: list[str]) -> None:
    del argv
    outputs.check_out(OUT.value, ".json")
    devices = topologies.get_topology_desc(platform="tpu", topology_name=_TOPOLOGY.value).devices
    config = training_step.configured(
        _VARIANT.value, batch_size=_BATCH.value, sharding=_SHARDING.value, remat=_REMAT.value
    )
    step = training_step.compiled(config, devices)
    memory, text = step.program.memory_analysis(), step.program.as_text()
    found = {
        "topology": _TOPOLOGY.value, "devices": len(devices), "device_kind": devices[0].device_kind,
        "variant": _VARIANT.value, "batch_size": _BATCH.value, "sharding": _SHARDING.value, "remat": _REMAT.value,
        "jax": jax.__version__, "compile_seconds": step.compile_seconds,
        "gigabytes_a_device": {
            "arguments": memory.argument_size_in_bytes / 1e9, "temporaries": memory.temp_size_in_bytes / 1e9,
            "temporaries_on_the_host": memory.host_temp_size_in_bytes / 1e9,
            "outputs": memory.output_size_in_bytes / 1e9, "outputs_in_arguments": memory.alias_size_in_bytes / 1e9,
        },
        "model_flops": step.model_flops,  # over all devices
        "xla_flops_a_device": step.program.cost_analysis()["flops"],  # no custom calls, one turn of each loop
        "pallas_calls": text.count("tpu_custom_call"), "all_gathers": text.count(" all-gather"),
        "reduce_scatters": text.count(" reduce-scatter"), "all_reduces": text.count(" all-reduce"),
    }
    content = json.dumps(found, indent=2)
    write_atomically(Path(OUT.value), (content + "\n").encode())
    print(content)


if __name__ == "__main__":
    cli.run(main)
