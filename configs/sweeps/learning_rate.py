"""Peak learning rates of any stage.

    python -m launch.sweep --config configs/tokenizer.py:tiny --sweep configs/sweeps/learning_rate.py \
        --config.data.dir=DATA --out out/rates                # five rates, spread evenly over two decades
    ... --sweep configs/sweeps/learning_rate.py:drawn         # sixteen, drawn from three decades

Another peak is the same compiled program, so that all runs but the first start at once.
"""

from configs.sweeping import Overrides, axis, log_uniform

FIELD = "optimizer.learning_rate"


def sweep() -> list[Overrides]:
    return axis(FIELD, (1e-5, 3e-5, 1e-4, 3e-4, 1e-3))


def sweep_drawn() -> list[Overrides]:
    return log_uniform(FIELD, 3e-6, 3e-3, count=16, seed=0)
