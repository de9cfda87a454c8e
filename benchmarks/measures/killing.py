"""Training that is killed (SIGKILL) again and again, held against a run that nobody disturbed."""

import importlib
import itertools
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from xdancer_jax.train import checkpoint, metrics

_START_SECONDS = 15.0  # within which a process that is killed "at the start" is
_END_SECONDS = 180.0  # within which a survivor must have ended


class Plan(NamedTuple):
    """variant of the config; steps between checkpoints; steps of progress before a kill, at most; fields."""

    variant: str
    every: int
    progress: int
    fields: tuple[str, ...] = ()


PLANS = {
    "tokenizer": Plan("tokenizer:tiny", 10, 40, ("--config.batch_size=8",)),
    "motion": Plan("motion:tiny", 5, 15, ("--config.batch_size=4",)),
    "video": Plan("video:tiny_motion", 2, 4, ("--config.batch_size=2",)),
}
_COMPARED = ("loss", "grad_norm", "update_norm")


class Found(NamedTuple):
    """Of a stage: what must be 0, the kills by moment and victim, and the seconds that survivors took to end."""

    missing: int
    twice: int
    other_batches: int
    other_leaves: int
    kills: dict[str, int]
    survivors_ended_in: list[float]

    @property
    def good(self) -> bool:
        return not (self.missing or self.twice or self.other_batches or self.other_leaves)


def command(stage: str, data: str, workdir: Path, steps: int) -> list[str]:
    """Of one process."""
    plan = PLANS[stage]
    module, _, variant = plan.variant.partition(":")
    config = importlib.import_module(f"configs.{module}").get_config(variant)
    parts = [name for name, part in config.parts.items() if not part.source.startswith("part:")]
    return [
        sys.executable, "-m", "launch.train", f"--config=configs/{module}.py:{variant}", f"--workdir={workdir}",
        f"--config.data.dir={data}", f"--config.steps={steps}", "--config.log_every=1", "--config.eval_batches=1",
        f"--config.eval_every={3 * plan.every}", f"--config.checkpoint.every={plan.every}",
        "--config.optimizer.warmup_steps=0", *(f"--config.parts.{name}.source=random" for name in parts), *plan.fields,
    ]


class Job:
    """The processes of one training, started together; a context, at whose end none is left."""

    def __init__(self, one: Sequence[str], count: int, log: Path):
        with socket.socket() as free:
            free.bind(("localhost", 0))
            address = f"localhost:{free.getsockname()[1]}"
        joined = [f"--coordinator={address}", f"--num_processes={count}"] if count > 1 else []
        self.began, self.clock, self._log = time.monotonic(), time.time(), log.open("ab")
        self.processes = [
            subprocess.Popen(
                [*one, *joined, *([f"--process_id={number}"] if joined else [])], stdout=self._log, stderr=self._log,
                start_new_session=True, env=os.environ | {"JAX_PLATFORMS": os.environ.get("JAX_PLATFORMS", "cpu")},
            ) for number in range(count)
        ]

    def __enter__(self) -> "Job":
        return self

    def __exit__(self, *unused) -> None:
        self.kill(range(len(self.processes)))
        for process in self.processes:
            process.wait()
        self._log.close()

    @property
    def ended(self) -> bool:
        """Whether any process has."""
        return any(process.poll() is not None for process in self.processes)

    def wait(self, seconds: float | None = None) -> list[int]:
        """Exit statuses, once all have ended. Raises subprocess.TimeoutExpired."""
        until = None if seconds is None else time.monotonic() + seconds
        return [process.wait(until and max(0.1, until - time.monotonic())) for process in self.processes]

    def kill(self, victims: Sequence[int]) -> None:
        for number in victims:
            self.processes[number].kill()


def undisturbed(one: Sequence[str], count: int, log: Path) -> None:
    """Trains to the end. Raises ValueError where that fails."""
    with Job(one, count, log) as job:
        statuses = job.wait()
    if any(statuses):
        raise ValueError(f"{log}: training ended with {statuses} though nobody disturbed it; its last lines say why")


def disturbed(
    one: Sequence[str], workdir: Path, count: int, kills: int, progress: int, chance: random.Random, log: Path
) -> tuple[dict[str, int], list[float]]:
    """Trains to the end through `kills`: how often each kind was done, seconds that survivors took to end."""
    done, seconds, everyone = Counter(), [], list(range(count))
    # A process that dies before it has joined leaves the others waiting for it, for peers.JOIN_SECONDS.
    kinds = [("start", everyone), *itertools.product(("step", "save"), [*([number] for number in everyone), everyone])]
    chance.shuffle(kinds)
    for moment, victims in itertools.cycle(kinds):
        with Job(one, count, log) as job:
            if sum(done.values()) == kills:
                if any(statuses := job.wait()):
                    raise ValueError(f"{log}: the last start ended with {statuses}; its last lines say why")
                return dict(done), seconds
            if not _await(job, moment, workdir, chance, progress):
                raise ValueError(f"{log}: ended with {job.wait()} after {sum(done.values())} kills, too early")
            job.kill(victims)
            killed = time.monotonic()
            try:
                job.wait(_END_SECONDS)
            except subprocess.TimeoutExpired as error:
                raise ValueError(f"{log}: a survivor has not ended in {_END_SECONDS:.0f} s") from error
        if len(victims) < count:
            seconds.append(time.monotonic() - killed)
        done[f"{moment}, {'all' if victims == everyone else f'process {victims[0]}'}"] += 1
        made = sum(done.values())
        print(f"  {workdir.name}: {made} of {kills} kills, at step {checkpoint.newest(workdir)}", flush=True)


def _await(job: Job, moment: str, workdir: Path, chance: random.Random, progress: int) -> bool:
    """Waits for the moment. False where a process ended before it."""
    until = job.began + chance.uniform(0, _START_SECONDS)
    step = checkpoint.newest(workdir) + chance.randint(1, progress)
    while not job.ended:
        if moment != "start" and not _begun(workdir, job.clock):
            time.sleep(0.01)
            continue
        if moment == "start" and time.monotonic() > until:
            return True
        if moment == "step" and _last_line(workdir) >= step:
            return True
        if moment == "save" and _last_line(workdir) >= step and any((workdir / "checkpoints").glob("*.orbax-*tmp*")):
            return True
        time.sleep(0.001 if moment == "save" else 0.01)
    return False


def _begun(workdir: Path, since: float) -> bool:
    """Whether a training that was started at `since` has cut metrics.jsonl down to the step that it goes on from: only
    then are lines and unfinished checkpoints its own."""
    path = workdir / "metrics.jsonl"
    return path.exists() and path.stat().st_mtime > since


def _last_line(workdir: Path) -> int:
    """Step of the last whole line of metrics.jsonl."""
    path = workdir / "metrics.jsonl"
    if not path.exists():
        return 0
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 8192))
        lines = file.read().split(b"\n")[1 if path.stat().st_size > 8192 else 0 : -1]
    return json.loads(lines[-1])["step"] if lines else 0


def compare(alone: Path, killed: Path, steps: int) -> tuple[int, int, int, int]:
    """(steps missing, steps twice, steps of other batches, leaves that differ) of run `killed`."""
    ours, theirs = ([row for row in metrics.read(path) if "loss" in row] for path in (killed, alone))
    seen = Counter(row["step"] for row in ours)
    expected = {row["step"]: [row[name] for name in _COMPARED] for row in theirs}
    other = sum([row[name] for name in _COMPARED] != expected[row["step"]] for row in ours)
    first, second = (checkpoint.leaves(path, steps) for path in (alone, killed))
    differ = first.keys() ^ second.keys() | {
        path for path in first.keys() & second.keys() if not np.array_equal(first[path], second[path], equal_nan=True)
    }
    return sum(step not in seen for step in expected), sum(n > 1 for n in seen.values()), other, len(differ)


def drill(stage: str, data: str, out: Path, kills: int, count: int, seed: int) -> Found:
    """One stage. Raises ValueError where training fails by itself."""
    plan = PLANS[stage]
    steps = plan.every * (1 + kills * (plan.progress + plan.every) // plan.every)
    folders = [out / f"{stage}_alone", out / f"{stage}_killed"]
    for folder in folders:
        if folder.exists():
            raise ValueError(f"{folder}: is there already; give another --out")
    out.mkdir(parents=True, exist_ok=True)
    logs = [folder.with_suffix(".log") for folder in folders]
    undisturbed(command(stage, data, folders[0], steps), count, logs[0])
    done, seconds = disturbed(
        command(stage, data, folders[1], steps), folders[1], count, kills, plan.progress, random.Random(seed), logs[1]
    )
    return Found(*compare(*folders, steps), done, seconds)
