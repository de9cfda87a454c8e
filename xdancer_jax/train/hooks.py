"""What happens between steps: evaluation, and whatever a launcher adds (samples, for instance)."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping

import jax
import numpy as np
from jax.sharding import Mesh

from xdancer_jax import sharding
from xdancer_jax.sharding import Rules
from xdancer_jax.stage import Stage
from xdancer_jax.train.state import TrainState
from xdancer_jax.train.step import compile_for, make_eval_step
from xdancer_jax.typing import Batch


@dataclasses.dataclass(frozen=True)
class Hook:
    """`run(step, state)` every `every` steps and at the last one (0: never).

    The metrics that it returns are written as "<name>/<metric>". It runs once the step's checkpoint is on its way; a
    run that ends in between goes on with it. It must not keep `state`, whose buffers the next step reuses.
    """

    name: str
    every: int
    run: Callable[[int, TrainState], Mapping[str, float]]

    def due(self, step: int, last_step: int) -> bool:
        return self.every > 0 and (step % self.every == 0 or step == last_step)


def evaluation(
    stage: Stage, make_iterator: Callable[[], Iterator[Batch]], *, every: int, batches: int, mesh: Mesh, rules: Rules,
    name: str = "eval",
) -> Hook:
    """Mean loss and metrics over the first `batches` batches of `make_iterator()` (host arrays, B first)."""
    compiled = {}  # by batch shape

    def run(step: int, state: TrainState) -> dict[str, float]:
        found = []
        for index, batch in zip(range(batches), make_iterator(), strict=False):
            batch = sharding.put_batch(batch, mesh, rules)
            index = jax.device_put(np.int32(index), sharding.replicated(mesh))
            shape = tuple(leaf.shape for leaf in jax.tree.leaves(batch))
            if shape not in compiled:
                compiled[shape] = compile_for(mesh, rules, make_eval_step(stage), state, batch, index)
            found.append(compiled[shape](state, batch, index))
        if len(found) < batches:
            raise ValueError(f"evaluation at step {step}: the data gave {len(found)} of eval_batches = {batches}")
        found = jax.device_get(found)
        return {key: float(np.mean([metrics[key] for metrics in found])) for key in found[0]}

    return Hook(name, every, run)
