"""A sweep on a Slurm cluster through submitit: arrays of jobs, each a run from where it is to its figures.

Runs that stand on others wait for these by Slurm's own dependencies. Before the time limit a job saves, by SIGTERM to
its training, and is queued again; what went wrong for good is tried again by the same command.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ml_collections import ConfigDict

from launch.sweeps import state
from launch.sweeps.state import Measured
from launch.sweeps.trials import Trial

_level = os.environ.get("SUBMITIT_LOG_LEVEL", "")
os.environ["SUBMITIT_LOG_LEVEL"] = "NOCONFIG"  # else importing it takes all loggers' handlers away
import submitit  # noqa: E402
from submitit.helpers import DelayedSubmission  # noqa: E402
from submitit.slurm.slurm import _make_sbatch_string  # noqa: E402  (no public name of what SlurmExecutor writes)

os.environ["SUBMITIT_LOG_LEVEL"] = _level or "INFO"  # jobs tell what they do

_POLL = 0.2  # seconds between looks at a command


class Work:
    """What a job does: trains a trial, or goes on, and evaluates it. Every process of the job does the same."""

    def __init__(self, trial: Trial, out: str, measured: Measured):
        self.trial, self._out, self._measured = trial, out, measured
        self._process: subprocess.Popen | None = None

    def __call__(self) -> str:
        """Raises RuntimeError with the exit status of a command that failed."""
        first = os.environ.get("SLURM_PROCID", "0") == "0"
        while work := state.next_work(self.trial, self._out, self._measured):
            options = self._measured.options()
            arguments = self.trial.train(self._out) if work == "train" else self.trial.evaluate(self._out, options)
            command = [sys.executable, "-m", *arguments]
            print("$", shlex.join(command), flush=True)
            if first:
                state.note(self.trial, self._out, work, event="began", job=os.environ.get("SLURM_JOB_ID", ""))
            self._process = subprocess.Popen(command, start_new_session=True)  # Slurm's signals are for this process
            status = _waited(self._process)
            if first:
                event, told = ("failed", "see the job's log") if status else ("ended", "")
                state.note(self.trial, self._out, work, event=event, status=status, told=told)
            if status:
                raise RuntimeError(f"{self.trial.id}: {work} ended with status {status}")
        return self.trial.id

    def checkpoint(self) -> DelayedSubmission:
        """Called by submitit before the time limit: lets the training save, and asks to be queued again."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            _waited(self._process)
        return DelayedSubmission(Work(self.trial, self._out, self._measured))


def _waited(process: subprocess.Popen) -> int:
    """Exit status at its end. Unlike Popen.wait it may be called by a signal's handler while it is waiting already."""
    while (status := process.poll()) is None:
        time.sleep(_POLL)
    return status


def submit(
    trials: Sequence[Trial], out: str, measured: Measured, cluster: ConfigDict, tell: Callable[[str], None],
    executor: str = "slurm",
) -> list[submitit.Job]:
    """Queues what is neither finished nor queued, each behind what it stands on; the jobs.

    executor: submitit's, "local" for processes of this machine. tell: called with a line for each array.

    Raises:
      ValueError: there is no Slurm here.
    """
    if executor == "slurm" and shutil.which("sbatch") is None:
        raise ValueError("--backend=slurm: no sbatch here; start it on a login node, or look with --render DIR")
    queued = _queued() if executor == "slurm" else set()
    ids: dict[str, str] = {}
    waiting: dict[tuple[str, ...], list[Trial]] = {}
    jobs = []
    for trial in trials:
        known = _job(trial, out)
        if known in queued:
            ids[trial.id] = known
            tell(f"{trial.id}: is queued already, job {known}")
        elif state.next_work(trial, out, measured):
            waiting.setdefault(trial.parents, []).append(trial)
    while waiting:
        unqueued = {trial.id for several in waiting.values() for trial in several}
        parents = next(each for each in waiting if not unqueued.intersection(each))
        several = waiting.pop(parents)
        behind = [ids[each] for each in parents if each in ids]
        found = _array(several, behind, out, measured, cluster, executor)
        for trial, job in zip(several, found, strict=True):
            ids[trial.id] = job.job_id
            state.note(trial, out, "submit", event="submitted", job=job.job_id)
        tell(f"{len(several)} runs queued as {found[0].job_id.split('_')[0]}" + (f" behind {behind}" if behind else ""))
        jobs += found
    return jobs


def _array(
    several: Sequence[Trial], behind: Sequence[str], out: str, measured: Measured, cluster: ConfigDict, executor: str
) -> list[submitit.Job]:
    queue = submitit.AutoExecutor(folder=Path(out) / "slurm", cluster=executor, slurm_max_num_timeout=cluster.requeues)
    known = parameters(cluster, behind)
    queue.update_parameters(
        timeout_min=known.pop("time"), **{f"slurm_{name}": value for name, value in known.items()}
    )
    with queue.batch():
        return [queue.submit(Work(trial, out, measured)) for trial in several]


def parameters(cluster: ConfigDict, behind: Sequence[str] = ()) -> dict[str, Any]:
    """What submitit's executor is given, by Slurm's names. A process a GPU, as JAX expects of Slurm."""
    own = {
        "partition": cluster.partition, "account": cluster.account,
        "mem": f"{cluster.memory_gb}GB" if cluster.memory_gb else "",
        "gpus_per_node": cluster.gpus_per_node, "array_parallelism": cluster.array_parallelism,
        "setup": list(cluster.setup), "dependency": f"afterok:{':'.join(behind)}" if behind else "",
    }
    return {
        "job_name": "sweep", "nodes": cluster.nodes, "ntasks_per_node": max(1, cluster.gpus_per_node),
        "cpus_per_task": cluster.cpus_per_task, "time": cluster.time_minutes, "signal_delay_s": cluster.signal_seconds,
        "additional_parameters": {"requeue": True} | ({"kill-on-invalid-dep": "yes"} if behind else {}),
        **{name: value for name, value in own.items() if value},
    }


def render(several: Sequence[Trial], out: str, cluster: ConfigDict) -> str:
    """The sbatch file of an array of trials, as submitit writes it."""
    command = f"{shlex.quote(sys.executable)} -u -m submitit.core._submit {shlex.quote(f'{out}/slurm')}"
    return _make_sbatch_string(command, folder=f"{out}/slurm", map_count=len(several), **parameters(cluster))


def _job(trial: Trial, out: str) -> str:
    """Id of the job that it was last submitted as; "" for none."""
    return next((each["job"] for each in reversed(state.notes(trial, out)) if each["event"] == "submitted"), "")


def _queued() -> set[str]:
    """Ids of this user's jobs that wait or run, those of arrays one by one."""
    asked = subprocess.run(
        ["squeue", "--me", "--noheader", "--array", "--format=%i"], capture_output=True, text=True, check=False
    )
    if asked.returncode:
        raise ValueError(f"--backend=slurm: squeue failed: {asked.stderr.strip()}")
    return set(asked.stdout.split())


__all__ = ["Work", "parameters", "render", "submit"]
