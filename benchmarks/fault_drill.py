"""Kills training at random moments, again and again, and holds what comes out against a run that nobody disturbed.

    python -m benchmarks.fault_drill --data DATA --out DIR [--kills 20] [--processes 2] [--stage tokenizer] [--seed 0]

Each stage trains by launch.train at tiny size, its earlier parts random, once left alone and once killed (SIGKILL):
one process of them, or all; while they start, between steps, or while a checkpoint is being written. Where one is
killed the others must end by themselves; then all start again with the same command. Afterwards are counted: steps that
are missing in metrics.jsonl or there twice; steps whose loss, gradient or update is not that of the undisturbed run, as
another batch would make it; leaves of the final checkpoint, optimizer and all, that are not the same bits. All must be
0.
"""

import json
import sys
from pathlib import Path

from absl import flags

from benchmarks.measures import killing
from data_pipeline.files import write_atomically
from launch.shell import cli

_DATA = flags.DEFINE_string("data", None, "Prepared data set (launch.prepare).")
_OUT = flags.DEFINE_string("out", None, "Folder for the runs and report.json; its runs must not be there yet.")
_STAGES = flags.DEFINE_multi_enum("stage", ["tokenizer", "motion", "video"], ["tokenizer", "motion", "video"], "Which.")
_KILLS = flags.DEFINE_integer("kills", 20, "Of each stage.", lower_bound=1)
_PROCESSES = flags.DEFINE_integer("processes", 2, "That train together.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of victims and moments.", lower_bound=0)
flags.mark_flags_as_required(["data", "out"])


def main(argv: list[str]) -> None:
    del argv
    out, report = Path(_OUT.value), {}
    for stage in _STAGES.value:
        found = killing.drill(stage, _DATA.value, out, _KILLS.value, _PROCESSES.value, _SEED.value)
        report[stage] = found
        slowest = f", survivors ended in at most {max(found.survivors_ended_in):.0f} s" * bool(found.survivors_ended_in)
        print(
            f"{stage}: steps missing {found.missing}, twice {found.twice}; batches missing or twice "
            f"{found.other_batches}; leaves of the final state that differ {found.other_leaves}; kills {found.kills}"
            f"{slowest}", flush=True,
        )
        told = {name: each._asdict() for name, each in report.items()}
        write_atomically(out / "report.json", json.dumps(told, indent=2).encode())
    if not all(found.good for found in report.values()):
        sys.exit("error: a killed run is not the undisturbed one, see above")


if __name__ == "__main__":
    cli.run(main)
