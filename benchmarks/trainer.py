"""What training costs beside its steps: python -m benchmarks.trainer --out FILE.json [--part overhead --part stall ...]

overhead: the loop against a bare jitted step at 50 ms. stall: how long a save holds the steps. start: from a restart to
its first step, with a warm compile cache. collectives: bytes that each of 1 to 8 fake devices sends in a step. memory:
of the host, at start and restore. long: whether memory, file handles and threads stay flat over 5,000 steps.
All run on this machine's CPU, each in a process of its own; a line each says whether its bar is met.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

from absl import flags

from benchmarks.measures import collective_bytes, long_run, memory, overhead, stall, start
from benchmarks.training_flags import OUT
from data_pipeline.files import write_atomically
from launch.shell import cli, outputs

PARTS = {
    "overhead": overhead, "stall": stall, "start": start, "collectives": collective_bytes, "memory": memory,
    "long": long_run,
}
_PARTS = flags.DEFINE_multi_enum("part", list(PARTS), list(PARTS), "Which. Once for each.")
_BRIEF = flags.DEFINE_bool("brief", False, "Sizes of a test, whose figures say nothing.")
flags.mark_flag_as_required("out")


def measured(part: str, brief: bool) -> dict[str, Any]:
    """Of one part, in this process."""
    module = PARTS[part]
    found = module.measure(module.BRIEF) if brief else module.measure()
    print(found.line(part), flush=True)
    return {"bar": found.bar, "met": found.met, **found.figures}


def apart(part: str, brief: bool) -> dict[str, Any]:
    """Of one part, in a process of its own: what others leave behind would count."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "part.json"
        command = [sys.executable, "-m", "benchmarks.trainer", f"--out={out}", f"--part={part}", f"--brief={brief}"]
        done = subprocess.run(command, env=os.environ | {"JAX_PLATFORMS": "cpu"}, check=False)
        if done.returncode:
            raise ValueError(f"--part={part} ended with status {done.returncode}; its last lines say why")
        return json.loads(out.read_text())[part]


def main(argv: list[str]) -> None:
    del argv
    outputs.check_out(OUT.value, ".json")
    found: dict[str, Any] = {
        "brief": _BRIEF.value, "python": platform.python_version(), "cores": os.cpu_count(),
        **{name: metadata.version(name) for name in ("jax", "flax", "orbax-checkpoint")},
    }
    run = measured if len(_PARTS.value) == 1 else apart
    for part in _PARTS.value:
        found[part] = run(part, _BRIEF.value)
        write_atomically(Path(OUT.value), (json.dumps(found, indent=2) + "\n").encode())


if __name__ == "__main__":
    cli.run(main)
