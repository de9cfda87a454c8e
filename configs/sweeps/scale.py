"""Sizes of the motion transformer, over one tokenizer.

    python -m launch.sweep --config configs/motion.py:medium --sweep configs/sweeps/scale.py \
        --config.data.dir=DATA --out out/scale                # GPT-2 small and medium (paper)
    ... --config configs/motion.py:tiny --sweep configs/sweeps/scale.py:tiny          # four widths, three seeds
"""

from configs.sweeping import Overrides, axis, product, seeds, zipped


def sweep() -> list[Overrides]:
    over = axis("parts.tokenizer.source", [{"config": "configs/tokenizer.py:paper"}])
    return product(axis("config", ("configs/motion.py:small", "configs/motion.py:medium")), over)


def sweep_tiny() -> list[Overrides]:
    over = axis("parts.tokenizer.source", [{"config": "configs/tokenizer.py:tiny"}])
    sizes = zipped(axis("model.width", (32, 64, 96, 128)), axis("model.num_heads", (2, 4, 6, 8)))
    return product(sizes, over, seeds(3))
