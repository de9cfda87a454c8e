"""One config with three seeds, for an interval of any figure; weights, noise and data order differ.

    python -m launch.sweep --config configs/tokenizer.py:tiny --sweep configs/sweeps/seeds.py \
        --config.data.dir=DATA --out out/seeds                # three; :five for five
"""

from configs.sweeping import Overrides, seeds


def sweep() -> list[Overrides]:
    return seeds(3)


def sweep_five() -> list[Overrides]:
    return seeds(5)
