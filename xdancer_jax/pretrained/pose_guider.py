"""AnimateAnyone's pose guider (Moore), and the ControlNet-openpose that its training starts from."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from xdancer_jax.pretrained.table import Entry, Kind, Shapes, torch_entry

_CONTROL: Final = "controlnet_cond_embedding."


def _entry(path: str, shape: Sequence[int]) -> Entry:
    """blocks.0, blocks.1, ... are a level's convolution and its halving one, in turn."""
    def index(match: re.Match) -> str:
        return f"blocks_{2 * int(match[1]) + (match[2] == 'down')}/"

    entry = torch_entry(re.sub(r"^block_(\d+)_(conv|down)/", index, path), shape)
    return entry._replace(path=path)


def _control_entry(path: str, shape: Sequence[int]) -> Entry:
    entry = _entry(path, shape)
    return entry._replace(names=tuple(f"{_CONTROL}{name}" for name in entry.names))


def _control_renamed(names: Iterable[str]) -> dict[str, str]:
    """Those of the original ControlNet (lllyasviel/ControlNet), whose last convolution is 14. That one is left out in
    both spellings: the guider's own starts from zero."""
    found = {}
    for name in names:
        ours = name
        if match := re.fullmatch(r"(?:control_model\.)?input_hint_block\.(\d+)\.(weight|bias)", name):
            layer = int(match[1]) // 2
            module = {0: "conv_in", 7: "conv_out"}.get(layer, f"blocks.{layer - 1}")
            ours = f"{_CONTROL}{module}.{match[2]}"
        found[name] = f"unused.{ours}" if ours.startswith(f"{_CONTROL}conv_out.") else ours
    return found


def _fields(prefix: str, shapes: Shapes) -> dict[str, Any]:
    """Of PoseGuider."""
    channels, layer = [shapes[f"{prefix}conv_in.weight"][0]], 1
    while f"{prefix}blocks.{layer}.weight" in shapes:
        channels.append(shapes[f"{prefix}blocks.{layer}.weight"][0])
        layer += 2
    return {"channels": tuple(channels)}


def _moore_fields(shapes: Shapes, described: Mapping[str, Any]) -> dict[str, Any]:
    return _fields("", shapes) | {"width": shapes["conv_out.weight"][0]}


MOORE: Final = Kind(
    "moore-pose-guider", "AnimateAnyone's pose guider (Moore)", (), ("pose_guider",), _entry, _moore_fields
)
CONTROLNET: Final = Kind(
    "controlnet-openpose", "a ControlNet of Stable Diffusion 1.5", ("controlnet",),
    ("diffusion_pytorch_model", "control_sd15_openpose", "control_v11p_sd15_openpose"), _control_entry,
    lambda shapes, described: _fields(_CONTROL, shapes),
    left_out=r"unused\..*|(conv_in|time_embedding|down_blocks|mid_block|controlnet_down_blocks|controlnet_mid_block)\..*"
    r"|(control_model\.)?(input_blocks|middle_block|time_embed|zero_convs|middle_block_out)\..*",
    optional=r"conv_out/.*", renamed=_control_renamed,
)  # fmt: skip

__all__ = ["CONTROLNET", "MOORE"]
