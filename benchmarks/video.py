"""The video stage's parts on a CPU beside torch: attention, the U-Net, a training step of a smaller one.

    python -m benchmarks.video --out FILE.json [--what attention --what unet --what train_step] [--repeats 5]

Needs the extra parity (torch, diffusers). float32, random weights, every library on all cores; seconds are medians of
turns in turn, and each row has the ratio of ours to theirs. Attention is that of a frame at 896x512 on the finest
level: 7168 queries over 14336 keys, of which the naive form's temporaries are told as well.
"""

import functools
import json
import math
from collections.abc import Callable
from pathlib import Path

import diffusers
import jax
import jax.numpy as jnp
import numpy as np
import optax
import torch
from absl import flags

from benchmarks.timing import medians
from benchmarks.training_flags import OUT
from data_pipeline.files import write_atomically
from launch.shell import cli, outputs
from xdancer_jax.boxes import unbox
from xdancer_jax.models.unet import UNet
from xdancer_jax.nn.attention import attention

_WHAT = flags.DEFINE_multi_enum(
    "what", ["attention", "unet", "train_step"], ["attention", "unet", "train_step"], "Part. Once for each."
)
_REPEATS = flags.DEFINE_integer("repeats", 5, "Turns of each measurement.", lower_bound=1)
_DIVISOR = flags.DEFINE_integer("divisor", 1, "Sides and widths are divided by it, for a quick look.", lower_bound=1)
Row = dict[str, float | str]


def attention_rows(repeats: int, queries: int = 7168, heads: int = 8, width: int = 40) -> list[Row]:
    """Forward, and forward with backward."""
    random = np.random.default_rng(0)
    shapes = [(1, length, heads, width) for length in (queries, 2 * queries, 2 * queries)]
    arrays = [jnp.asarray(random.standard_normal(shape, np.float32)) for shape in shapes]
    theirs = [torch.from_numpy(np.array(x)).transpose(1, 2).contiguous().requires_grad_() for x in arrays]
    fused = torch.nn.functional.scaled_dot_product_attention

    def their_forward() -> None:
        with torch.no_grad():
            fused(*theirs)

    def their_gradient() -> None:
        torch.autograd.grad(fused(*theirs).sum(), theirs)

    def temporaries(function: Callable[..., jax.Array]) -> int:
        return jax.jit(_gradient(function)).lower(*arrays).compile().memory_analysis().temp_size_in_bytes

    forward, gradient = jax.jit(attention), jax.jit(_gradient(attention))
    share = temporaries(attention) / temporaries(functools.partial(jax.nn.dot_product_attention, implementation="xla"))
    rows = [
        _row("attention, forward", repeats, lambda: forward(*arrays), their_forward),
        _row("attention, forward and backward", repeats, lambda: gradient(*arrays), their_gradient),
    ]
    rows[1]["temporaries_over_naive"] = share
    return rows


def _gradient(function: Callable[..., jax.Array]) -> Callable[..., tuple[jax.Array, ...]]:
    return jax.grad(lambda *x: function(*x).sum(), argnums=(0, 1, 2))


def unet_row(repeats: int, cells: tuple[int, int] = (112, 64), divisor: int = 1) -> Row:
    """SD1.5's, one frame with a prompt of 77 tokens."""
    ours, theirs = _unets(tuple(width // divisor for width in (320, 640, 1280, 1280)))
    inputs = _inputs(1, tuple(side // divisor for side in cells), 77)
    params = _params(ours, inputs)
    apply = jax.jit(ours.apply)

    def run() -> None:
        with torch.no_grad():
            theirs(*_for_torch(inputs))

    return _row("U-Net, forward", repeats, lambda: apply(params, *inputs), run)


def train_step_row(repeats: int, cells: tuple[int, int] = (56, 32), divisor: int = 1) -> Row:
    """A U-Net of widths 64, 128, 256, 256; batch 2; mean square error and AdamW."""
    ours, theirs = _unets(tuple(width // divisor for width in (64, 128, 256, 256)))
    inputs = _inputs(2, tuple(side // divisor for side in cells), 77)
    optimizer = optax.adamw(1e-4)
    params = _params(ours, inputs)
    state = [params, optimizer.init(params)]

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(params, moments, *inputs):
        gradient = jax.grad(lambda params: jnp.square(ours.apply(params, *inputs)).mean())(params)
        updates, moments = optimizer.update(gradient, moments, params)
        return optax.apply_updates(params, updates), moments

    def our_step():
        state[:] = step(*state, *inputs)
        return state

    their_optimizer = torch.optim.AdamW(theirs.parameters(), 1e-4, weight_decay=1e-4)

    def their_step() -> None:
        their_optimizer.zero_grad()
        theirs(*_for_torch(inputs)).sample.square().mean().backward()
        their_optimizer.step()

    return _row("U-Net of 64 to 256, training step", repeats, our_step, their_step)


def _unets(widths: tuple[int, ...]) -> tuple[UNet, torch.nn.Module]:
    groups = math.gcd(32, *widths)
    theirs = diffusers.UNet2DConditionModel(
        sample_size=64, block_out_channels=widths, cross_attention_dim=768, attention_head_dim=8,
        norm_num_groups=groups,
    )
    return UNet(block_out_channels=widths, temporal=False, norm_groups=groups), theirs


def _inputs(batch: int, cells: tuple[int, int], tokens: int) -> tuple[jax.Array, ...]:
    random = np.random.default_rng(0)
    latents = jnp.asarray(random.standard_normal((batch, 1, *cells, 4), np.float32))
    return latents, jnp.full(batch, 500), jnp.asarray(random.standard_normal((batch, tokens, 768), np.float32))


def _for_torch(inputs: tuple[jax.Array, ...]) -> list[torch.Tensor]:
    latents, times, context = (torch.from_numpy(np.array(x)) for x in inputs)
    return [latents[:, 0].permute(0, 3, 1, 2), times, context]


def _params(model: UNet, inputs: tuple[jax.Array, ...]):
    random = np.random.default_rng(1)
    shapes = jax.eval_shape(lambda: unbox(model.init(jax.random.key(0), *inputs)))
    return jax.tree.map(lambda x: jnp.asarray(0.02 * random.standard_normal(x.shape, np.float32)), shapes)


def _row(name: str, repeats: int, ours: Callable[[], object], theirs: Callable[[], object]) -> Row:
    ours_seconds, their_seconds = medians(repeats, ours, theirs)
    return {
        "what": name, "seconds": ours_seconds, "torch_seconds": their_seconds, "ratio": ours_seconds / their_seconds,
    }


def main(argv: list[str]) -> None:
    del argv
    if OUT.value:
        outputs.check_out(OUT.value, ".json")
    repeats, divisor, rows = _REPEATS.value, _DIVISOR.value, []
    parts: dict[str, Callable[[], list[Row]]] = {
        "attention": lambda: attention_rows(repeats, 7168 // divisor**2),
        "unet": lambda: [unet_row(repeats, divisor=divisor)],
        "train_step": lambda: [train_step_row(repeats, divisor=divisor)],
    }
    for name in _WHAT.value:
        for row in parts[name]():
            rows.append(row)
            print(json.dumps(row), flush=True)
    if OUT.value:
        found = {"jax": jax.__version__, "torch": torch.__version__, "diffusers": diffusers.__version__, "rows": rows}
        write_atomically(Path(OUT.value), (json.dumps(found, indent=2) + "\n").encode())


if __name__ == "__main__":
    cli.run(main)
