"""The small model that comes with the project: motion/ and video/ as packed runs, and what was measured of them.

It is trained on toy dancers by the variants :shipped; docs/toy_model.md tells how, and how to make it again.
"""

import json
from importlib import resources
from pathlib import Path
from typing import Any, Final

_PACKAGE: Final = "xdancer_jax"
FIGURES: Final = "figures.json"


def folder() -> Path:
    """As --runs takes it. Raises ValueError where the installation lacks it."""
    found = Path(str(resources.files(_PACKAGE))) / "shipped"
    if not (found / "motion").is_dir() or not (found / "video").is_dir():
        raise ValueError(f"{found}: this installation lacks the model that comes with the project; install it again")
    return found


def figures() -> dict[str, Any]:
    """What benchmarks.toy_model wrote of it."""
    return json.loads((folder() / FIGURES).read_text(encoding="utf-8"))


__all__ = ["FIGURES", "figures", "folder"]
