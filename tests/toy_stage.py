"""A small stage with all that a real one has: an EMA codebook, a part trained in part, a frozen part."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from configs import sharding as tables
from xdancer_jax import axes, sharding
from xdancer_jax.nn.linear import dense
from xdancer_jax.stage import Stage
from xdancer_jax.train import checkpoint
from xdancer_jax.train.loop import train
from xdancer_jax.train.optim import make_optimizer
from xdancer_jax.train.parts import Part
from xdancer_jax.train.retention import Policy
from xdancer_jax.train.settings import Settings

FEATURES, WIDTH, CODES, BATCH = 6, 16, 8, 8


class Model(nn.Module):
    """x -> backbone -> code nearest to the encoder's output -> decoder."""

    @nn.compact
    def __call__(self, x, codebook):
        h = nn.tanh(dense(WIDTH, (axes.CONV_IN, axes.EMBED), "backbone")(x))
        z = dense(WIDTH, (axes.EMBED, axes.MLP), "encoder")(h)
        index = jnp.argmin(((z[:, None] - codebook) ** 2).sum(-1), axis=-1)
        z_q = z + jax.lax.stop_gradient(codebook[index] - z)
        return dense(FEATURES, (axes.MLP, axes.EMBED), "decoder")(z_q), z, index


def make(poison=False) -> Stage:
    """Parts "teacher", a matrix that is not trained, and "student" with a codebook. `poison`: a batch that holds a NaN
    gives a NaN loss (otherwise NaNs are read as 0)."""
    model = Model()

    def init_teacher(rng, batch, before):
        kernel = jnp.linspace(-1, 1, FEATURES * FEATURES).reshape(FEATURES, FEATURES)
        return {"kernel": nn.LogicallyPartitioned(kernel, (axes.CONV_IN, axes.EMBED))}, {}

    def init_student(rng, batch, before):
        codebook = jax.random.normal(jax.random.fold_in(rng, 1), (CODES, WIDTH))
        return model.init(rng, batch["x"], codebook)["params"], {"codebook": codebook}

    def loss(params, extra, batch, chance, train):
        old = extra["student"]["codebook"]
        x = batch["x"] if poison else jnp.nan_to_num(batch["x"])
        x = x + 0.1 * chance.normal(x.shape[1:]) if train else x
        y, z, index = model.apply({"params": params["student"]}, x, old)
        mse = jnp.mean((y - x @ params["teacher"]["kernel"].astype(jnp.float32)) ** 2)
        hits = jax.nn.one_hot(index, CODES)
        return mse, ({"error": mse}, {"hits": hits.sum(0), "sums": hits.T @ jax.lax.stop_gradient(z)})

    def finish(extra, sums, train):
        old, hits = extra["student"]["codebook"], sums["hits"][:, None]
        codebook = jnp.where(hits > 0, 0.9 * old + 0.1 * sums["sums"] / jnp.maximum(hits, 1), old)
        return {"student": {"codebook": codebook}} if train else extra, {"usage": jnp.mean(hits > 0)}

    return Stage("toy", {"teacher": init_teacher, "student": init_student}, loss, finish)


def parts(trainable=("encoder", "decoder"), **teacher):
    """The student trains in part, the teacher does not; `teacher`: other fields of the latter."""
    return {"teacher": Part(**({"trainable": ()} | teacher)), "student": Part(trainable)}


def batches(start):
    """Batch n is a function of n alone."""
    step = start
    while True:
        yield {"x": np.random.default_rng(step).normal(size=(BATCH, FEATURES)).astype(np.float32)}
        step += 1


def optimizer(**changes):
    options = dict(
        learning_rate=1e-2, schedule="constant", steps=6, warmup_steps=0, weight_decay=0.01, b1=0.9, b2=0.999,
        eps=1e-8, clip_norm=1.0,
    )
    return make_optimizer(**(options | changes))


def run(workdir, steps, *, stage=None, fates=None, mesh=None, table="data", make_iterator=batches, **changes):
    """train() with small defaults: a mesh of one device, a checkpoint every 3 steps, EMA on; goes on if it can."""
    policy = Policy(changes.pop("checkpoint_every", 3), newest=2)
    settings = dict(seed=0, steps=steps, ema_decay=0.9, log_every=1, policy=policy)
    fields = [field.name for field in dataclasses.fields(Settings) if field.name in changes]
    settings |= {name: changes.pop(name) for name in fields}
    options = dict(
        config={"stage": "toy", "config": {"name": "toy"}}, start=checkpoint.newest(workdir),
        mesh=mesh or sharding.make_mesh({"data": 1, "fsdp": 1, "tensor": 1}, jax.devices()[:1]),
        rules=tables.TABLES[table],
    )
    made = changes.pop("optimizer", None) or optimizer()
    return train(
        stage or make(), made, fates or parts(), make_iterator, Settings(**settings), workdir=workdir,
        **(options | changes),
    )


def assert_same(first, second, atol=0.0):
    """Equal trees with equal dtypes; bitwise unless `atol` is given. Typed keys are compared by their data."""
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        assert a.dtype == b.dtype
        if jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key):
            a, b = jax.random.key_data(a), jax.random.key_data(b)
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=0, atol=atol)
