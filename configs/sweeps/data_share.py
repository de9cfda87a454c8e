"""How much data a stage needs: shares of the training clips, with three seeds.

    python -m launch.sweep --config configs/tokenizer.py:tiny --sweep configs/sweeps/data_share.py \
        --config.data.dir=DATA --out out/shares

A share holds the same clips for every seed, and those of every smaller share.
"""

from configs.sweeping import Overrides, axis, product, seeds


def sweep() -> list[Overrides]:
    return product(axis("data.share", (0.01, 0.03, 0.1, 0.3, 1.0)), seeds(3))
