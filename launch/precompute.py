"""Computes once what frozen networks would make of every clip in every step of training:

    python -m launch.precompute --run out/tokenizer --data DATA --out DATA/computed
    python -m launch.precompute --run out/autoencoder --data DATA --out DATA/computed
    python -m launch.train --config configs/motion.py:medium --config.data.dir=DATA --config.data.tokens=DATA/computed
        --config.parts.tokenizer.source=run:out/tokenizer --workdir out/motion

A run's tokenizer gives pose tokens, its autoencoder latents (mean and log variance, from which training still draws),
its image encoder embeddings. The same command goes on where it was stopped; with --coordinator HOST:PORT
--num_processes N --process_id I processes divide the work, each on its own devices.
"""

import jax
from absl import flags

from launch.runs import loading
from launch.shell import cli, distributed
from xdancer_jax import sharding

_RUN = flags.DEFINE_string("run", None, "Work directory of a run.")
_DATA = flags.DEFINE_string("data", None, "Prepared data set.")
_OUT = flags.DEFINE_string("out", None, "Folder for what is computed, on this machine or mounted there.")
_KINDS = flags.DEFINE_multi_enum("kinds", [], ["tokens", "latents", "embeddings"], "What to compute; all if not given.")
_BATCH = flags.DEFINE_integer("batch_size", None, "Records at once; some 32 if not given.", lower_bound=1)
_DTYPE = flags.DEFINE_enum("dtype", None, ["float32", "bfloat16"], "Computes in it; the run's own if not given.")
_SHARD = flags.DEFINE_float("shard_megabytes", 256, "Size of a file, and what a kill can cost.", lower_bound=0.001)
_STEP = flags.DEFINE_integer("step", None, "Checkpoint; the newest if not given.", lower_bound=1)
flags.mark_flags_as_required(["run", "data", "out"])


def main(argv: list[str]) -> None:
    del argv
    from launch.preparing import computing  # imports tfds, which --help need not wait for

    with distributed.join_alike():
        mesh = sharding.make_mesh({"data": -1, "fsdp": 1, "tensor": 1}, jax.local_devices())
        run = loading.load(_RUN.value, step=_STEP.value, dtype=_DTYPE.value, mesh=mesh, table="data")
        can = computing.kinds_of(run)
        if wrong := [kind for kind in _KINDS.value if kind not in can]:
            raise ValueError(f"--kinds={wrong[0]}: a {run.config.name} run such as {_RUN.value} makes {', '.join(can)}")
        size = computing.batch_size(_BATCH.value, run.place.ways)
        computing.compute(run, _DATA.value, _OUT.value, _KINDS.value or can, size, int(_SHARD.value * 1e6))
    print(f"{_OUT.value}: {', '.join(_KINDS.value or can)} of {_DATA.value} by {_RUN.value}, step {run.step}")


if __name__ == "__main__":
    cli.run(main)
