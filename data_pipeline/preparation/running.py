"""Who does the jobs: this process, or workers of Apache Beam, on this machine or on Dataflow, Flink and Spark."""

import functools
import importlib.util
import logging
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from data_pipeline.preparation.cache import Cache
from data_pipeline.preparation.jobs import Job, Make, Outcome

_LOCAL: Final = "DirectRunner"


def beam_options(workers: int, given: Sequence[str]) -> Any | None:
    """Beam's PipelineOptions for `workers` processes of this machine, or as `given` ("--runner=DataflowRunner", ...);
    None where neither asks for Beam.

    Raises:
        ImportError: Beam is asked for and not installed.
        ValueError: an option without "--", which Beam would leave unread.
    """
    if workers < 2 and not given:
        return None
    if importlib.util.find_spec("apache_beam") is None:
        raise ImportError(
            "config.workers and config.beam: Apache Beam is not installed; install the extra, pip install "
            "xdancer_jax[beam], or prepare in one process, --config.workers=1"
        )
    wrong = [option for option in given if not option.startswith("--")]
    if wrong:
        raise ValueError(f"config.beam: {wrong[0]!r} is no option of Beam; write --NAME=VALUE")
    from apache_beam.options.pipeline_options import PipelineOptions

    local = [f"--runner={_LOCAL}", "--direct_running_mode=multi_processing", f"--direct_num_workers={workers}"]
    logging.getLogger("apache_beam").setLevel(logging.ERROR)
    return PipelineOptions(list(given) or local)


def run(
    jobs: Sequence[Job], make: Make, cache: Cache, beam: Any | None, tell: Callable[[int], None] = lambda done: None,
) -> Iterator[Outcome]:
    """What came of each job, in order. Those that are done already are not done again.

    tell: called with the number of jobs that are finished, now and then.
    """
    waiting = [job for job in jobs if cache.find(job) is None]
    tell(len(jobs) - len(waiting))
    if beam is None or len(waiting) < 2:
        for number, job in enumerate(waiting):
            cache.work(job, make)
            tell(len(jobs) - len(waiting) + number + 1)
    else:
        _by_beam(waiting, make, cache, beam, lambda done: tell(len(jobs) - len(waiting) + done))
        tell(len(jobs))
    for job in jobs:
        found = cache.find(job)
        yield found or Outcome(job, failure=cache.failure(job) or "its worker ended without a word; prepare again")


def _by_beam(
    jobs: Sequence[Job], make: Make, cache: Cache, options: Any, tell: Callable[[int], None]
) -> None:
    import apache_beam

    with _watched(cache, tell), apache_beam.Pipeline(options=options) as pipeline:
        _ = (
            pipeline
            | apache_beam.Create(list(jobs))
            | apache_beam.Reshuffle()  # else one worker gets all of them
            | apache_beam.Map(functools.partial(_work, make=make, cache=cache))
        )


def _work(job: Job, make: Make, cache: Cache) -> str:
    """Of a worker."""
    _end_with_parent()
    cache.work(job, make)
    return job.id


@functools.cache
def _end_with_parent() -> None:
    """Once a process: Beam's local workers are shells' children, which outlive a killed parent for minutes."""
    began_under = os.getppid()

    def watch() -> None:
        while os.getppid() == began_under:
            threading.Event().wait(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


class _watched:
    """Tells, every few seconds while workers are at it, how many more jobs are finished than at first."""

    def __init__(self, cache: Cache, tell: Callable[[int], None], seconds: float = 5.0):
        self._cache, self._tell, self._seconds = cache, tell, seconds
        self._before, self._end = cache.finished(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *unused: Any) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(self._seconds):
            self._tell(self._cache.finished() - self._before)


__all__ = ["beam_options", "run"]
