"""Can a run start here? A line a check: ok, warn or FAIL, what was found and, where it fails, what to do.

    python -m launch.doctor [--config configs/STAGE.py:VARIANT] [--workdir DIR] [--config.data.dir=DIR]
        [--coordinator HOST:PORT --num_processes N --process_id I]

Give it the flags of the launch.train that is to follow, and start it as that one, on every host. Nothing is trained,
and nothing stays in the work directory. Takes seconds; launch.acceptance trains for ten minutes.
Exit status 0 where a run can start, warnings or not, and 1 where a check fails.
"""

import contextlib
import dataclasses

from absl import flags
from ml_collections import config_flags

from launch.checks import findings, listing, processes
from launch.runs import agreement
from launch.shell import cli

_CONFIG = config_flags.DEFINE_config_file("config", None, "configs/STAGE.py:VARIANT.", lock_config=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "Work directory of the run; need not be there yet.")


def main(argv: list[str]) -> None:
    del argv
    with contextlib.ExitStack() as stack:
        group = processes.joined(stack)
        own = [group.finding]
        if group.number == 0:
            print(group.finding.line(), flush=True)
        for finding in listing.found(_CONFIG.value, _WORKDIR.value, group):
            own.append(finding)
            if group.number == 0:
                print(finding.line(), flush=True)
        told = agreement.gather([dataclasses.asdict(each) for each in own]) if group.count > 1 else []
        everyone = [[findings.Finding(**each) for each in found] for found in told] or [own]
    good, verdict = findings.verdict(everyone)
    if group.number == 0:
        print("\n".join([*(each.line() for each in findings.of_others(everyone)), verdict]))
    if not good:
        raise SystemExit(1)


if __name__ == "__main__":
    cli.run(main)
