"""What training takes on TPU slices that are not here: python -m benchmarks.pods, or make pods

Every row of ROWS that docs/pods.json lacks is planned by launch.compile and added, one after the other; then
docs/pods.md is written from all of them. Counting a row takes seconds. Compiling one takes libtpu, minutes of two cores
and gigabytes, as the page says: --compile=False leaves out those that are not there yet, --renew=TEXT plans rows anew
that have TEXT in their names.
"""

import datetime
import importlib
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from absl import flags

from benchmarks.measures.pod_page import page
from data_pipeline.files import write_atomically
from launch.shell import cli

_FOLDER = flags.DEFINE_string("folder", "docs", "Where pods.json and pods.md lie.")
_COMPILE = flags.DEFINE_bool("compile", True, "Whether the compiler is asked for rows that want it.")
_RENEW = flags.DEFINE_string("renew", "", "Plan rows anew whose name holds this.")


class Row(NamedTuple):
    """A step: variant "stage:variant" on a topology, with changes of its config; compiled, or counted alone."""

    variant: str
    topology: str
    changes: dict[str, Any]
    compiled: bool

    @property
    def name(self) -> str:
        return " ".join([self.variant, self.topology, *(f"{field}={value}" for field, value in self.changes.items())])

    @property
    def flags(self) -> list[str]:
        """Of launch.compile."""
        stage, variant = self.variant.split(":")
        changes = {"dtype": "bfloat16", "mesh.data": 1, "mesh.fsdp": -1, **self.changes}
        return [
            f"--config=configs/{stage}.py:{variant}", f"--topology={self.topology}",
            *(f"--config.{field}={value}" for field, value in changes.items()),
            *(() if self.compiled else ("--count",)),
            *(("--effort=O1",) if self.compiled and stage == "video" else ()),
        ]


def _motion(topology: str, devices: int, compiled: bool) -> Row:
    """One example a device: the batch grows with the slice."""
    return Row("motion:medium", topology, {"batch_size": devices, "sharding": "fsdp"}, compiled)


def _video(phase: str, topology: str, devices: int, compiled: bool) -> Row:
    """The paper's 16 clips, whose frames go to the devices beyond 16; of pairs of pictures one a device. What is frozen
    was computed beforehand (launch.precompute)."""
    changes = {"batch_size": devices, "sharding": "fsdp", "data.latents": "LATENTS", "data.embeddings": "EMBEDDINGS"}
    if phase == "motion":
        changes |= {"batch_size": 16, "data.tokens": "TOKENS"}
        if devices > 16:
            changes |= {"sharding": "fsdp_frames", "mesh.tensor": devices // 16}
    return Row(f"video:paper_{phase}", topology, changes, compiled)


# Devices of a slice: two a chip on tpu7x.
_OF_MOTION = {
    "v4:2x2x2": 8, "v4:4x4x4": 64, "v4:4x8x8": 256, "v5e:2x4": 8, "v5e:8x8": 64, "v5e:16x16": 256, "v5p:2x2x2": 8,
    "v5p:4x4x4": 64, "v5p:4x8x8": 256, "v6e:2x4": 8, "v6e:8x8": 64, "v6e:16x16": 256, "tpu7x:2x2x2": 16,
    "tpu7x:4x4x4": 128, "tpu7x:4x8x8": 512,
}
_OF_VIDEO = {
    "v4:2x2x4": 16, "v4:4x4x4": 64, "v5e:4x4": 16, "v5e:16x16": 256, "v5p:2x2x4": 16, "v5p:4x4x4": 64, "v6e:4x4": 16,
    "v6e:16x16": 256, "tpu7x:2x2x2": 16, "tpu7x:4x4x4": 128,
}
_COMPILED = {  # of the appearance phase the compiler did not end for v5p (docs/performance.md)
    "motion": ("v5e:2x4", "v5e:8x8", "v5e:16x16"), "video appearance": ("v5e:16x16", "v6e:16x16"),
    "video motion": ("v5e:16x16", "v5p:4x4x4", "v6e:16x16"),
}
ROWS = (
    *(_motion(name, devices, name in _COMPILED["motion"]) for name, devices in _OF_MOTION.items()),
    *(_video("appearance", name, count, name in _COMPILED["video appearance"]) for name, count in _OF_VIDEO.items()),
    *(_video("motion", name, count, name in _COMPILED["video motion"]) for name, count in _OF_VIDEO.items()),
)


def planned(row: Row) -> dict[str, Any]:
    """Its figures, with the date. In a process of its own, whose memory is the row's.

    Raises RuntimeError where launch.compile gives none.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "plan.json"
        command = [sys.executable, "-m", "launch.compile", *row.flags, f"--out={out}", "--cache=none"]
        subprocess.run(command, check=False)  # 1 where it does not fit
        if not out.exists():
            raise RuntimeError(f"{row.name}: launch.compile gave no plan; it says above why")
        found = json.loads(out.read_text())
    config = found.pop("config")
    # Of the paper's steps and batch, whatever the row's batch is.
    stage, variant = row.variant.split(":")
    paper = importlib.import_module(f"configs.{stage}").get_config(variant)
    days = {
        share: paper.steps * paper.batch_size / speed / 86_400 for share, speed in found["examples_per_second"].items()
    }
    return found | {
        "date": datetime.date.today().isoformat(), "variant": row.variant, "batch_size": config["batch_size"],
        "days_of_the_paper": days,
    }


def fill(folder: Path, compiling: bool, renew: str) -> None:
    """Plans the rows that the folder's pods.json lacks, or whose name holds `renew`; writes it and pods.md."""
    kept, wanted = folder / "pods.json", {row.name for row in ROWS}
    found = json.loads(kept.read_text()) if kept.exists() else {}
    found = {name: figures for name, figures in found.items() if name in wanted}
    for row in ROWS:
        again = row.name not in found or (renew and renew in row.name)
        if again and (compiling or not row.compiled):
            print(row.name, flush=True)
            found[row.name] = planned(row)
            write_atomically(kept, (json.dumps(found, indent=1) + "\n").encode())
    rows = [found[row.name] for row in ROWS if row.name in found]
    write_atomically(folder / "pods.md", page(rows).encode())


def main(argv: list[str]) -> None:
    del argv
    fill(Path(_FOLDER.value), _COMPILE.value, _RENEW.value)


if __name__ == "__main__":
    cli.run(main)
