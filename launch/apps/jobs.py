"""Jobs one at a time, in the order of asking: who waits sees how many are before, and may cancel at any time.

Other threads ask; the thread that calls `run_forever` works. In the app that is the main thread, because XLA's CPU
client is fastest there (launch/shell/memory.py), and because Ctrl-C reaches it in the middle of a job.
"""

import collections
import contextlib
import dataclasses
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

from launch.apps.refusals import Refused
from launch.shell.progress import Progress

WAITING, RUNNING, DONE, FAILED, CANCELLED = "waiting", "running", "done", "failed", "cancelled"
_ENDS: Final = (DONE, FAILED, CANCELLED)
_BEAT: Final = 0.5  # s after which an idle worker looks whether it shall stop


class Cancelled(BaseException):
    """Ends the work of a job that is cancelled; nothing that expects errors of work takes it for one."""


@dataclasses.dataclass(eq=False)
class Job:
    """What `owner` asked for, and how far it is.

    Attributes:
      work: called with the job; what it returns is `result`. It calls `tell` often, which ends it when cancelled.
      leave: called once the job has ended, however it did.
      phase, done, total: where the work is.
      refused: why it failed.
    """

    owner: str
    work: Callable[["Job"], Any]
    leave: Callable[[], None] = lambda: None
    state: str = WAITING
    phase: str = ""
    done: int = 0
    total: int = 0
    result: Any = None
    refused: Refused | None = None
    stop: threading.Event = dataclasses.field(default_factory=threading.Event)

    @property
    def ended(self) -> bool:
        return self.state in _ENDS

    def tell(self, phase: str, done: int = 0, total: int = 0) -> None:
        """Where the work is. Raises Cancelled once the job is cancelled."""
        if self.stop.is_set():
            raise Cancelled
        self.phase, self.done, self.total = phase, done, total

    @contextlib.contextmanager
    def shows(self, name: str, unit: str) -> Iterator[Progress]:
        """In the place of a progress bar (shell/progress.py)."""
        del unit
        self.tell(name)
        yield lambda done, total: self.tell(name, done, total)


class Jobs:
    """The queue. Threads may share it."""

    def __init__(self, most_waiting: int):
        self._most, self._lock = most_waiting, threading.Condition()
        self._waiting: collections.deque[Job] = collections.deque()
        self._running: Job | None = None

    def add(self, job: Job) -> Job:
        """Raises Refused where too many wait, and for an owner who has one that has not ended."""
        with self._lock:
            if self._of(job.owner):
                raise Refused("", "Your dance before is not finished; wait for it, or cancel it.")
            if len(self._waiting) >= self._most:
                raise Refused("", f"{len(self._waiting)} others wait already; try again in some minutes.")
            self._waiting.append(job)
            self._lock.notify()
        return job

    def before(self, job: Job) -> int:
        """How many come before it."""
        with self._lock:
            return self._waiting.index(job) + (self._running is not None) if job in self._waiting else 0

    def cancel(self, owner: str) -> None:
        """Of an owner's jobs the waiting ones end here, the running one where it next tells how far it is."""
        with self._lock:
            for job in self._of(owner):
                job.stop.set()
            gone = [job for job in self._waiting if job.stop.is_set()]
            for job in gone:
                self._waiting.remove(job)
        for job in gone:
            _end(job, CANCELLED)

    def run_forever(self, until: threading.Event) -> None:
        """Works off what comes, until the event."""
        while not until.is_set():
            self.run_one(_BEAT)

    def run_one(self, seconds: float) -> bool:
        """Works off the next job, for which it waits so long; whether there was one."""
        with self._lock:
            if not self._lock.wait_for(lambda: self._waiting, seconds):
                return False
            job = self._running = self._waiting.popleft()
            job.state = RUNNING
        try:
            _end(job, *_worked(job))
        finally:
            with self._lock:
                self._running = None
            if not job.ended:  # the process is about to end
                _end(job, CANCELLED)
        return True

    def _of(self, owner: str) -> list[Job]:
        jobs = [*self._waiting, *([self._running] if self._running else [])]
        return [job for job in jobs if job.owner == owner and not job.ended]


def _worked(job: Job) -> tuple[str, Any]:
    try:
        result = job.work(job)
    except Cancelled:
        return CANCELLED, None
    except Refused as refused:
        return FAILED, refused
    except Exception:  # whatever it is: the others wait
        logging.getLogger(__name__).exception("a job failed")
        return FAILED, Refused("", "It failed for a reason that is not yours; whoever runs this finds it in the log.")
    return (CANCELLED, None) if job.stop.is_set() else (DONE, result)


def _end(job: Job, state: str, outcome: Any = None) -> None:
    if state == DONE:
        job.result = outcome
    if state == FAILED:
        job.refused = outcome
    job.state = state
    job.leave()


__all__ = ["CANCELLED", "DONE", "FAILED", "RUNNING", "WAITING", "Cancelled", "Job", "Jobs"]
