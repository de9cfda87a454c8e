"""From a process's first moment to the end of its first step, after a restart with a warm compile cache.

As a module of its own it is launch.train with clocks, and takes its flags: it ends itself by SIGTERM in the second
step, and prints its seconds.
"""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

from benchmarks.measures.found import Found, of_processes
from benchmarks.measures.spans import Spans
from launch.shell.signals import RESUMABLE

_LINE = re.compile(r"import time:\s*(\d+) \|\s*\d+ \| +([\w.]+)")


class Sizes(NamedTuple):
    """clips: of the data set. starts: with a warm cache."""

    clips: int = 8
    starts: int = 3


BRIEF = Sizes(1, 1)


def measure(sizes: Sizes = Sizes()) -> Found:  # noqa: B008 (frozen)
    """The tiny motion stage over an untrained tokenizer: a first start fills the cache, the others go on from it."""
    with tempfile.TemporaryDirectory() as folder:
        data = prepared(Path(folder), sizes.clips)
        command = [
            "benchmarks.measures.start", "--config=configs/motion.py:tiny", f"--workdir={folder}/run",
            f"--config.data.dir={data}", "--config.parts.tokenizer.source=random", "--config.log_every=1",
        ]
        starts = [of_processes([command])[0] for _ in range(1 + sizes.starts)]
    warm = {name: statistics.median(start[name] for start in starts[1:]) for name in starts[1]}
    imported = by_package(_imports())
    parts = ", ".join(f"{name} {seconds:.1f}" for name, seconds in warm.items() if seconds >= 0.05)
    told = f"with a warm cache {warm['total']:.1f} s, with an empty one {starts[0]['total']:.1f}: {parts}"
    return Found(told, "", None, {"first": starts[0], "warm": starts[1:], "median": warm, "imports": imported})


def prepared(folder: Path, clips: int, frames: int = 128, height: int = 32, width: int = 32) -> str:
    """A toy data set of `clips` short clips in `folder`."""
    command = [
        sys.executable, "-m", "launch.prepare", "--config=configs/data.py:toy", f"--data={folder}/data",
        f"--config.train_clips={clips}", "--config.test_clips=2", f"--config.frames={frames}",
        f"--config.height={height}", f"--config.width={width}",
    ]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    if done.returncode:
        raise ValueError(f"launch.prepare ended with {done.returncode}: {done.stderr.strip().splitlines()[-1:]}")
    return done.stdout.strip().splitlines()[-1]


def _imports() -> str:
    command = [sys.executable, "-X", "importtime", "-c", "import launch.train"]
    return subprocess.run(command, text=True, capture_output=True, check=True).stderr


def by_package(text: str, most: int = 12) -> dict[str, float]:
    """Seconds by package, its modules' own time alone, of what -X importtime writes: the `most` that take longest."""
    found = Counter()
    for line in text.splitlines():
        if match := _LINE.match(line):
            found[match[2].split(".")[0]] += int(match[1]) / 1e6
    return dict(found.most_common(most))


def age() -> float:
    """Seconds since this process was started (Linux), to a hundredth."""
    after_name = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return time.clock_gettime(time.CLOCK_BOOTTIME) - int(after_name[19]) / os.sysconf("SC_CLK_TCK")


def phases(spans: Spans, started: float, imported: float) -> dict[str, float]:
    """Seconds from `started` to the end of the first step, what is measured inside another left out of that one.

    imported: when the imports were done. The calls of `spans` are those up to that step.
    """
    end = spans.calls["first step"][0].began + spans.calls["first step"][0].seconds
    found = {"imports": imported - started}
    found |= {name: sum(call.own for call in calls if call.began < end) for name, calls in spans.calls.items()}
    return found | {"rest": end - started - sum(found.values()), "total": end - started}


def _main() -> None:
    started = time.perf_counter() - age()
    from launch import stages  # the imports are part of what is measured
    from launch.figures import samples
    from launch.runs import agreement, training
    from launch.shell import cli
    from launch.train import main
    from xdancer_jax import sharding
    from xdancer_jax.train import checkpointer, loop, monitor, record

    imported, spans, compile_for, processor = time.perf_counter(), Spans(), loop.compile_for, []

    def kept(*args: Any, **options: Any) -> Any:
        program, steps = spans.timed("first step", compile_for(*args, **options)), []

        def step(*args: Any) -> Any:
            steps.append(time.process_time())
            if len(steps) == 2:
                processor.append(steps[1])
                os.kill(os.getpid(), signal.SIGTERM)
            return program(*args)

        return step

    try:
        with (
            mock.patch.object(loop, "compile_for", spans.timed("compile", kept)),
            spans.around(
                config=(training, "_prepared"), first_batch=(loop, "_peek"), plan=(loop, "plan_state"),
                restore=(checkpointer.Checkpointer, "restore"), digests=(loop, "part_digests"),
                checkpointer=(checkpointer.Checkpointer, "__init__"), agreement=(agreement, "check"),
                stage=(stages, "find"), hooks=(samples, "samples_hook"), put_batch=(sharding, "put_batch"),
                metrics=(monitor.Monitor, "begin"), record=(record, "write"),
            ),
        ):
            cli.run(main)
    except SystemExit as ended:
        if ended.code != RESUMABLE:
            raise
    print(json.dumps(phases(spans, started, imported) | {"processor": processor[0]}), flush=True)
    os._exit(0)  # what JAX and Orbax do at the end is no part of it


if __name__ == "__main__":
    _main()


__all__ = ["BRIEF", "Sizes", "age", "by_package", "measure", "phases", "prepared"]
