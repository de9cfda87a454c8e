"""Jobs that a test can run in other processes."""

import os
import time
from pathlib import Path

from data_pipeline.preparation import running
from data_pipeline.preparation.cache import Cache
from data_pipeline.preparation.jobs import Job, Made


def make(job: Job, folder: Path) -> list[Made]:
    """Leaves a file ID-PROCESS-TIME in the folder "calls"; the job "bad" fails."""
    time.sleep(job.settings.get("seconds", 0))
    Path(job.settings["calls"], f"{job.id}-{os.getpid()}-{time.time_ns()}").touch()
    if job.id == "bad":
        raise ValueError("bad.mp4: broken")
    (folder / "0.npz").write_bytes(job.id.encode())
    return [Made(job.id, file="0.npz")]


def jobs(folder: Path) -> list[Job]:
    """Twenty slow ones."""
    return [Job(f"{number}", "", {}, {"calls": str(folder / "calls"), "seconds": 1.0}) for number in range(20)]


def run(folder: Path) -> None:
    """Does them by two workers."""
    (folder / "calls").mkdir(exist_ok=True)
    cache = Cache(folder / "cache")
    cache.create()
    list(running.run(jobs(folder), make, cache, running.beam_options(2, ())))
