"""A process that starts from weights on disk holds little more than its own shards of them."""

import os
import subprocess
import sys

import pytest

COMMON = """
import sys, threading, time
import jax, jax.numpy as jnp, numpy as np, optax
from configs.sharding import TABLES
from xdancer_jax import sharding
from xdancer_jax.pretrained import gpt2, table
from xdancer_jax.stage import Stage
from xdancer_jax.train import checkpoint, checkpointer, trees
from xdancer_jax.train.retention import newest
from xdancer_jax.train.optim import Optimizer
from xdancer_jax.train.parts import Part
from xdancer_jax.train.state import plan_state

ARRAYS, SHAPE, WIDTH, FILE = 32, (1024, 4096), 768, ".safetensors"  # 16 MiB each

OURS = {"wpe": (1024, WIDTH), "ln_f/scale": (WIDTH,), "ln_f/bias": (WIDTH,)}
for name, rows, columns in (("attn/c_attn", 1, 3), ("attn/c_proj", 1, 1), ("mlp/c_fc", 1, 4), ("mlp/c_proj", 4, 1)):
    OURS[f"h/{name}/kernel"] = (12, rows * WIDTH, columns * WIDTH)
    OURS[f"h/{name}/bias"] = (12, columns * WIDTH)
for name in ("ln_1", "ln_2"):
    OURS |= {f"h/{name}/{leaf}": (12, WIDTH) for leaf in ("scale", "bias")}

def held():
    # Bytes of this process that are no pages of files.
    return next(int(line.split()[1]) * 1024 for line in open("/proc/self/status") if line.startswith("RssAnon"))

def plan(init, part):
    mesh = sharding.make_mesh({"data": 1, "fsdp": 1, "tensor": 1}, jax.devices()[:1])
    optimizer, batch = Optimizer(optax.sgd(1e-3), lambda step: 0.0), {"x": jax.ShapeDtypeStruct((1,), jnp.float32)}
    return plan_state(Stage("toy", {"gpt": init}, None), optimizer, {"gpt": part}, batch, seed=0, ema=False, mesh=mesh,
                      rules=TABLES["data"])

def init(rng, batch, before):
    return {f"w{i}": jnp.zeros(SHAPE) for i in range(ARRAYS)}, {}

def init_gpt2(rng, batch, before):
    return trees.nested({path: jnp.zeros(shape) for path, shape in OURS.items()}), {}

def report(planned):
    before, peak, done = held(), [0], threading.Event()

    def watch():
        while not done.is_set():
            peak[0] = max(peak[0], held())
            time.sleep(1e-3)

    watcher = threading.Thread(target=watch)
    watcher.start()
    state = jax.block_until_ready(planned.create())
    done.set()
    watcher.join()
    sizes = [leaf.nbytes for leaf in jax.tree.leaves(state.params)]
    print(peak[0] - before, sum(sizes), max(sizes))
"""
WRITE_RUN = """
with checkpointer.Checkpointer(sys.argv[1], newest(1)) as saver:
    saver.save(1, plan(init, Part()).create(), {"gpt": "digest"})
"""
READ_RUN = "report(plan(init, Part(read=checkpoint.stored(sys.argv[1]).read)))"
WRITE_GPT2 = """
table.write(gpt2.GPT2, sys.argv[1] + FILE, OURS, ((path, np.ones(shape, np.float32)) for path, shape in OURS.items()))
"""
READ_GPT2 = """
report(plan(init_gpt2, Part(read=table.opened(gpt2.GPT2, sys.argv[1] + FILE).read)))
"""


@pytest.mark.process
@pytest.mark.parametrize("write, read", [(WRITE_RUN, READ_RUN), (WRITE_GPT2, READ_GPT2)], ids=["run", "gpt2"])
def test_weights_go_straight_to_their_shards(write, read, tmp_path):
    def python(code):
        done = subprocess.run(
            [sys.executable, "-c", COMMON + code, str(tmp_path / "weights")], capture_output=True, text=True,
            check=False, env=os.environ | {"MALLOC_ARENA_MAX": "1"},  # glibc's arenas would keep what was freed
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    python(write)
    peak, held, largest = map(int, python(read).split())
    assert held > 200e6
    assert peak < 1.3 * held + largest
