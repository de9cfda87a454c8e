"""A sweep on this machine: as many runs at once as there are slots, each a process of its own with a log of its own."""

import dataclasses
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from launch.shell.signals import RESUMABLE
from launch.sweeps import state
from launch.sweeps.slots import Slot
from launch.sweeps.state import Measured
from launch.sweeps.trials import Trial

_POLL = 0.1  # seconds between looks at the processes
_GRACE = 120.0  # seconds in which a run that is told to stop saves and ends, before it is killed


@dataclasses.dataclass
class Job:
    """A trial on its way: its next work ("" when nothing is left), failures in a row, when it may be tried again."""

    trial: Trial
    work: str
    failures: int = 0
    not_before: float = 0.0
    given_up: str = ""


@dataclasses.dataclass(frozen=True)
class Attempt:
    """A process under way."""

    job: Job
    process: subprocess.Popen
    slot: Slot
    log: Path
    began: float


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Ids of the trials by how they ended: finished before this call, in it, failed for good (with why), and those that
    stand on a failed one."""

    before: list[str]
    finished: list[str]
    failed: dict[str, str]
    blocked: list[str]


class Local:
    """Runs the trials of a sweep until each is finished or has failed `tries` times in a row.

    backoff: seconds before a second try; twice as long before each further one. tell: called with a line whenever
    something begins or ends, and `each` at every look with the attempts under way and the number of finished trials.
    """

    def __init__(self, trials: Sequence[Trial], out: str, slots: Sequence[Slot], measured: Measured, *, tries: int,
                 backoff: float, tell, each):
        self._out, self._measured, self._tries, self._backoff = out, measured, tries, backoff
        self._tell, self._each = tell, each
        self._free = list(slots)
        self._jobs = {trial.id: Job(trial, state.next_work(trial, out, measured)) for trial in trials}
        self._before = [each for each, job in self._jobs.items() if not job.work]
        self._running: list[Attempt] = []

    def run(self) -> Outcome:
        """Whatever ends it, no process of it is left, and what was under way is saved."""
        try:
            while self._step():
                self._each(self._running, len(self.finished))
                time.sleep(_POLL)
        finally:
            self._stop()
        return self._outcome()

    def _step(self) -> bool:
        """Sees to what has ended and starts what can be; False once nothing is under way nor can be."""
        for attempt in [each for each in self._running if each.process.poll() is not None]:
            self._running.remove(attempt)
            self._free.append(attempt.slot)
            self._ended(attempt)
        open_jobs = [job for job in self._jobs.values() if job.work and not job.given_up and not self._blocked(job)]
        at_work = {attempt.job.trial.id for attempt in self._running}
        for job in open_jobs:
            ready = job.trial.id not in at_work and time.monotonic() >= job.not_before
            if self._free and ready and all(self._jobs[each].work != "train" for each in job.trial.parents):
                self._start(job, self._free.pop(0))
        return bool(open_jobs or self._running)

    def _blocked(self, job: Job) -> bool:
        """Whether it waits for the training of a trial that was given up."""
        parents = [self._jobs[each] for each in job.trial.parents]
        return any(each.work == "train" and (each.given_up or self._blocked(each)) for each in parents)

    def _start(self, job: Job, slot: Slot) -> None:
        trial, out = job.trial, self._out
        arguments = trial.train(out) if job.work == "train" else trial.evaluate(out, self._measured.options())
        folder = Path(trial.workdir(out))
        log = folder / "logs" / f"{job.work}.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", *arguments]
        (folder / f"{job.work}.sh").write_text(f"{shlex.join(['python', '-m', *arguments])}\n")
        leash = [sys.executable, "-m", "launch.sweeps.leash", str(os.getpid()), ",".join(map(str, slot.cores))]
        state.note(trial, out, job.work, event="began", attempt=job.failures + 1)
        with log.open("ab") as file:
            file.write(f"$ {shlex.join(command)}\n".encode())
            process = subprocess.Popen(
                [*leash, *command], stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
                env=os.environ | dict(slot.environment),
            )
        self._running.append(Attempt(job, process, slot, log, time.monotonic()))
        self._tell(f"{trial.id}: {job.work} begins" + (f", try {job.failures + 1}" if job.failures else ""))

    def _ended(self, attempt: Attempt) -> None:
        job, status, seconds = attempt.job, attempt.process.returncode, time.monotonic() - attempt.began
        work, told = job.work, ""
        if status == 0:
            job.work = state.next_work(job.trial, self._out, self._measured)
            if job.work == work:
                status, told = 1, "ended well, but left nothing of it in the work directory"
            else:
                job.failures = 0
        told = told or (_last_line(attempt.log) if status > 0 else "")  # a killed one had no last word
        event = "ended" if status == 0 else "stopped" if status == RESUMABLE else "failed"
        state.note(job.trial, self._out, work, event=event, status=status, seconds=round(seconds, 2), told=told)
        if status:
            self._failed(job, work, status, told, attempt.log)
        else:
            left = "finished" if not job.work else f"{work} done"
            self._tell(f"{job.trial.id}: {left} in {seconds:.0f} s")

    def _failed(self, job: Job, work: str, status: int, told: str, log: Path) -> None:
        job.failures += status != RESUMABLE  # that is no failure: the run has saved, and goes on
        why = ": ".join(filter(None, [f"{work} {_how(status)}", told])) + f" ({log})"
        if job.failures >= self._tries:
            job.given_up = why
            self._tell(f"{job.trial.id}: {why}; given up after {job.failures} tries")
            return
        pause = self._backoff * 2 ** max(0, job.failures - 1)
        job.not_before = time.monotonic() + pause
        self._tell(f"{job.trial.id}: {why}; tried again in {pause:g} s")

    def _stop(self) -> None:
        """Tells every process to save and end, and waits; kills what does not."""
        for attempt in self._running:
            _signal(attempt.process, signal.SIGTERM)
        until = time.monotonic() + _GRACE
        for attempt in self._running:
            try:
                attempt.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                pass
            finally:
                _signal(attempt.process, signal.SIGKILL)
                attempt.process.wait()
            state.note(attempt.job.trial, self._out, attempt.job.work, event="stopped",
                       status=attempt.process.returncode, seconds=round(time.monotonic() - attempt.began, 2))
        self._running.clear()

    @property
    def finished(self) -> list[str]:
        """Ids of the trials that nothing is left to do for."""
        return [each for each, job in self._jobs.items() if not job.work]

    def _outcome(self) -> Outcome:
        done = self.finished
        return Outcome(
            self._before, [each for each in done if each not in self._before],
            {each: job.given_up for each, job in self._jobs.items() if job.given_up},
            [each for each, job in self._jobs.items() if job.work and not job.given_up],
        )


def _signal(process: subprocess.Popen, number: int) -> None:
    """To the process and all that it has started."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _how(status: int) -> str:
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return "was interrupted" if status == RESUMABLE else f"failed with status {status}"


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    return lines[-1].strip() if lines else "it printed nothing"


__all__ = ["Attempt", "Local", "Outcome"]
