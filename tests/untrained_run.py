"""Runs on disk without training: for whatever only reads them."""

import jax
import jax.numpy as jnp
import numpy as np

from data_pipeline import music
from launch import stages
from launch.runs import features, loading, resolve, sources
from xdancer_jax import sharding
from xdancer_jax.train import checkpoint, checkpointer, digest, guard, record, trees
from xdancer_jax.train.retention import newest
from xdancer_jax.train.state import TrainState


def state_of(config, seed=None):
    """The state of a resolved config's run after one step; all weights in `params`, zeros, or random with `seed`."""
    mesh = sharding.make_mesh({"data": 1, "fsdp": 1, "tensor": 1}, jax.devices()[:1])
    rng = np.random.default_rng(seed)

    def values(leaf):
        found = np.zeros(leaf.shape) if seed is None else 0.1 * rng.standard_normal(leaf.shape)
        return jnp.asarray(found, leaf.dtype)

    tree = trees.nested({path: values(leaf) for path, leaf in loading.placed(config, mesh, "data").items()})
    return TrainState(
        step=jnp.int32(1), params=tree["params"], frozen={}, extra=tree.get("extra", {}), opt_state=(), ema=None,
        guard=guard.begin(), rng=jax.random.key(0),
    )


def write(workdir, config, seed=None):
    """A run of `config` after one step, see state_of. Parts with a source in another run have that one's digest.

    Returns the work directory.
    """
    config = resolve.resolve(config.lock())
    state = state_of(config, seed)
    digests = {name: digest.of((part, state.extra.get(name, {}))) for name, part in state.params.items()}
    for name in stages.find(config.name).modules(config):
        kind, _, where = sources.text(config, name).partition(":")
        if kind == "run":
            digests[name] = checkpoint.stored(where).digests[name]
    with checkpointer.Checkpointer(workdir, newest(1)) as saver:
        if "music" in config.data:
            features.write(workdir, music.find(config.data.music))
        record.write(workdir, {"stage": config.name, "config": config.to_dict(), "facts": {}, "changes": []})
        saver.save(1, state, digests)
    return str(workdir)
