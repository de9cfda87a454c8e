"""GPT-2's public weights (the layout of transformers' GPT2Model) for MusicGPT: a name map alone.

Both store a linear layer's kernel as (in, out); ours stack the layers. What has no place in MusicGPT is left out by
name: the word table `wte`, its tied `lm_head`, and the causal masks that old files carry. A position table of another
length is interpolated from its first row to its last (open: the paper has 2224 positions and does not say how GPT-2's
1024 become them).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from xdancer_jax.pretrained.table import Entry, Kind, Shapes

_OURS_ALONE: Final = r"(?!wpe$|ln_f/|h/).*"  # token and slot tables, music and input projections, output heads


def _entry(path: str, shape: Sequence[int]) -> Entry:
    name = path.replace("/", ".").replace(".kernel", ".weight").replace(".scale", ".weight")
    if path == "wpe":
        return Entry(path, ("wpe.weight",), (0, 1), resized=True)
    if not path.startswith("h/"):
        return Entry(path, (name,), tuple(range(len(shape))))
    names = tuple(f"h.{layer}.{name.removeprefix('h.')}" for layer in range(shape[0]))
    return Entry(path, names, tuple(range(len(shape) - 1)))


def _renamed(names: Iterable[str]) -> dict[str, str]:
    return {name: name.removeprefix("transformer.") for name in names}


def _fields(shapes: Shapes, described: Mapping[str, Any]) -> dict[str, Any]:
    """Of MusicGPT. The number of heads is not in the weights."""
    layers = sum(f"h.{layer}.ln_1.weight" in shapes for layer in range(256))
    found = {"num_layers": layers, "width": shapes["wpe.weight"][1]}
    return found | ({"num_heads": described["n_head"]} if isinstance(described.get("n_head"), int) else {})


GPT2: Final = Kind(
    "gpt2", "GPT-2", (), ("model", "pytorch_model"), _entry, _fields,
    left_out=r"wte\.weight|lm_head\.weight|h\.\d+\.attn\.(masked_)?bias", optional=_OURS_ALONE, renamed=_renamed,
)  # fmt: skip

__all__ = ["GPT2"]
