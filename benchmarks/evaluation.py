"""What metrics cost: python -m benchmarks.evaluation [--what motion,...] [--out FILE.json]

motion: frames a second of each motion metric beside loops as its source has them; seconds of all of them for 230 clips
of 10 s; whether memory grows with the number of clips.

Each runs in a process of its own, every library held to one thread. A line each says whether its bar is met.
"""

import json
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from absl import flags

from benchmarks.measures import motion_metrics
from benchmarks.measures.found import ONE_THREAD, Found, of_processes, table
from benchmarks.training_flags import OUT
from data_pipeline.files import write_atomically
from launch.shell import cli, outputs

PARTS = {"motion": motion_metrics}

_WHAT = flags.DEFINE_list("what", list(PARTS), f"Which, of {', '.join(PARTS)}.")
_BRIEF = flags.DEFINE_bool("brief", False, "Sizes of a test, whose figures say nothing.")


def measured(what: str, brief: bool) -> Found:
    """Of one part, in a process of its own."""
    module = PARTS[what]
    sizes = module.BRIEF if brief else module.Sizes()
    return Found(*of_processes([[module.__name__, json.dumps(sizes._asdict())]], ONE_THREAD)[0])


def main(argv: list[str]) -> None:
    del argv
    unknown = [what for what in _WHAT.value if what not in PARTS]
    if unknown or not _WHAT.value:
        raise ValueError(f"--what={','.join(_WHAT.value)}: choose of {', '.join(PARTS)}")
    if OUT.value:
        outputs.check_out(OUT.value, ".json")
    found: dict[str, Any] = {
        "brief": _BRIEF.value, "python": platform.python_version(), "cores": os.cpu_count(),
        **{name: metadata.version(name) for name in ("numpy", "scipy")},
    }
    for what in _WHAT.value:
        result = measured(what, _BRIEF.value)
        print(f"{result.line(what)}\n{table(result.figures['rows'])}\n", flush=True)
        found[what] = {"bar": result.bar, "met": result.met, **result.figures}
        if OUT.value:
            write_atomically(Path(OUT.value), (json.dumps(found, indent=2) + "\n").encode())


if __name__ == "__main__":
    cli.run(main)
