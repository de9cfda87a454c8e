"""What motion metrics cost: python -m benchmarks.evaluation [--out FILE.json]

Frames a second of each beside loops as its source has them; seconds of all of them for 230 clips of 10 s; whether
memory grows with the number of clips. In a process of its own, every library held to one thread. A line says whether
the bar is met. Those with networks: benchmarks.video_metrics.
"""

import json
import os
import platform
from importlib import metadata
from pathlib import Path

from absl import flags

from benchmarks.measures import motion_metrics
from benchmarks.measures.found import ONE_THREAD, Found, of_processes, table
from benchmarks.training_flags import OUT
from data_pipeline.files import write_atomically
from launch.shell import cli, outputs

_BRIEF = flags.DEFINE_bool("brief", False, "Sizes of a test, whose figures say nothing.")


def measured(brief: bool) -> Found:
    """In a process of its own."""
    sizes = motion_metrics.BRIEF if brief else motion_metrics.Sizes()
    return Found(*of_processes([[motion_metrics.__name__, json.dumps(sizes._asdict())]], ONE_THREAD)[0])


def main(argv: list[str]) -> None:
    del argv
    if OUT.value:
        outputs.check_out(OUT.value, ".json")
    result = measured(_BRIEF.value)
    print(f"{result.line('motion')}\n{table(result.figures['rows'])}\n", flush=True)
    found = {
        "brief": _BRIEF.value, "python": platform.python_version(), "cores": os.cpu_count(),
        **{name: metadata.version(name) for name in ("numpy", "scipy")},
        "motion": {"bar": result.bar, "met": result.met, **result.figures},
    }
    if OUT.value:
        write_atomically(Path(OUT.value), (json.dumps(found, indent=2) + "\n").encode())


if __name__ == "__main__":
    cli.run(main)
