"""Compiles a stage's training step for a TPU slice that is not here, on a machine without any: what it takes of each
device, and how long a step takes at best.

    python -m launch.compile --config configs/video.py:paper_motion --topology v5e:16x16 [--config.mesh.fsdp=-1
        --config.mesh.data=1 --config.sharding=fsdp --config.dtype=bfloat16] [--out FILE.json] [--count] [--search]

Needs libtpu (pip install libtpu), or --topology local for the devices at hand. What cannot fit by its state alone is
told before anything is compiled. --search tries remat, accumulation, split weights and split frames in turn, until a
step fits. What the compiler said of a program is kept (--cache). No weights and no data are read.

--effort=O1, for a run JAX_OPTIMIZATION_LEVEL and JAX_MEMORY_FITTING_LEVEL, makes the video stage compile in minutes.
"""

import functools
import json
from pathlib import Path

import jax
from absl import flags
from ml_collections import config_flags

from data_pipeline.files import write_atomically
from launch.shell import cli, outputs

_CONFIG = config_flags.DEFINE_config_file("config", None, "configs/STAGE.py:VARIANT.", lock_config=True)
_TOPOLOGY = flags.DEFINE_string("topology", None, "Slice, as v5e:16x16 or v5p:4x4x4; or local.")
_OUT = flags.DEFINE_string("out", None, "File for the figures (.json).")
_CACHE = flags.DEFINE_string("cache", "out/plans", "Folder for what compilers said; none: ask anew.")
_COUNT = flags.DEFINE_bool("count", False, "Only what is known without the compiler.")
_EFFORT = flags.DEFINE_enum("effort", None, ("O0", "O1", "O2", "O3"), "Of the compiler; its own if not given.")
_SEARCH = flags.DEFINE_bool("search", False, "Change the config until it fits.")
flags.mark_flags_as_required(["config", "topology"])


def main(argv: list[str]) -> None:
    del argv
    from launch.compiling import plans, search

    if _COUNT.value and _SEARCH.value:
        raise ValueError("--search: not with --count, which asks no compiler whether a step fits")
    if _OUT.value:
        outputs.check_out(_OUT.value, ".json")
    if _EFFORT.value:
        jax.config.update("jax_optimization_level", _EFFORT.value)
        jax.config.update("jax_memory_fitting_level", _EFFORT.value)
    tell, cache = functools.partial(print, flush=True), None if _CACHE.value == "none" else _CACHE.value
    if _SEARCH.value:
        found = search.search(_CONFIG.value, _TOPOLOGY.value, tell, cache)
    else:
        found = plans.plan(_CONFIG.value, _TOPOLOGY.value, count=_COUNT.value, cache=cache, tell=tell)
    found["effort"] = _EFFORT.value
    print(plans.table(found))
    if _OUT.value:
        write_atomically(Path(_OUT.value), (json.dumps(found, indent=2) + "\n").encode())
    if found["fits"] is False:
        raise ValueError(f"--topology={_TOPOLOGY.value}: does not fit; {plans.WAY_OUT}")


if __name__ == "__main__":
    cli.run(main)
