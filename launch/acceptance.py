"""Ten minutes on the machines that a team is about to train on: does training keep its promises there?

    python -m launch.acceptance --workdir DIR [--gigabytes 1] [--coordinator HOST:PORT --num_processes N --process_id I]

Started on every host as launch.train is, with a work directory of its own that all hosts share. A small tokenizer is
trained on made-up poses; a line a check, and a verdict. Exit status 1 where a check fails.
"""

import time

import jax
from absl import flags

from launch.runs import accepting, agreement
from launch.shell import cli, distributed

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder that all hosts reach; must be empty or not there.")
_GIGABYTES = flags.DEFINE_float("gigabytes", 1.0, "Written and read back to measure the storage.", lower_bound=0.001)
flags.mark_flags_as_required(["workdir"])


def main(argv: list[str]) -> None:
    del argv
    with distributed.join():
        agreement.everywhere(lambda: jax.process_index() or accepting.check_empty(_WORKDIR.value))
        failed = []
        for name, check in accepting.checks(_WORKDIR.value, _GIGABYTES.value):
            began = time.perf_counter()
            good, told = check()
            failed += [] if good else [name]
            if jax.process_index() == 0:
                verdict = "ok" if good else "FAILED"
                print(f"{name:<10} {verdict:<6} {told} ({time.perf_counter() - began:.1f} s)", flush=True)
    told = f"not accepted: {', '.join(failed)}" if failed else "accepted"
    if jax.process_index() == 0:
        kind = jax.devices()[0].device_kind
        print(f"{told}; {jax.process_count()} processes, {jax.device_count()} devices of kind {kind}")
    if failed:
        raise SystemExit(1)


if __name__ == "__main__":
    cli.run(main)
