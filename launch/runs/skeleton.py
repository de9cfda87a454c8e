"""Which skeleton a run was trained on: what the joints of its poses and the parts of its tokens are."""

from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from data_pipeline.skeleton import NUM_JOINTS, PARTS

# A run's config.skeleton. Pairs and no table, because the order of the parts counts.
OURS = {"joints": NUM_JOINTS, "parts": tuple(PARTS.items())}


def check(workdir: str | Path, config: ConfigDict) -> None:
    """Raises ValueError where the run of `workdir` with `config` was trained on other joints or parts than ours."""
    if "skeleton" not in config:
        raise ValueError(
            f"{workdir}: its config.json has no field skeleton, so an older version trained it; train it anew"
        )
    theirs = config.skeleton.to_dict()
    if theirs != OURS:
        raise ValueError(
            f"{workdir}: was trained on another skeleton, {_told(theirs, OURS)}; this version has "
            f"{_told(OURS, theirs)}; train it anew, or use the version that trained it"
        )


def _told(skeleton: dict[str, Any], other: dict[str, Any]) -> str:
    """Joints, order of the parts, and the joints of each part that `other` has not so."""
    parts = {name: joints for name, joints in skeleton["parts"] if (name, joints) not in other["parts"]}
    return f"{skeleton['joints']} joints in {', '.join(name for name, _ in skeleton['parts'])} ({parts or 'the same'})"
