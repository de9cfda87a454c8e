"""A job: the files of a room become a video, its poses, its skeleton and a time line, as launch.generate makes them."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_pipeline import music
from launch.apps import songs
from launch.apps.jobs import Job
from launch.apps.limits import Limits, Wishes
from launch.apps.looking import Looker
from launch.apps.refusals import Refused, sentence
from launch.making import dances, marking, painting
from launch.making.dances import Song
from launch.reporting import beats as time_lines
from launch.runs.loading import Run
from xdancer_jax.stages.motion_sampling import Sampling

PHOTO, POSE, SONG, OUT = "photo", "pose.npz", "song", "dance.mp4"  # in a room
PHASES = {
    "song": "Hearing the song", "photo": "Looking at the photo", "motion": "Making up the dance",
    "video": "Painting the video", "frames": "Writing the video", "write": "Writing the files",
}  # fmt: skip


class Made(NamedTuple):
    """chart: the beats' time line, HTML, of a dance that lasts so many seconds."""

    video: Path
    poses: Path
    skeleton: Path
    chart: str
    seconds: float

    def files(self) -> tuple[Path, ...]:
        return (self.video, self.poses, self.skeleton)


@dataclasses.dataclass(frozen=True)
class Maker:
    """What all jobs share: the loaded runs, and how videos are sampled."""

    motion: Run
    paint: painting.Painter
    look: Looker
    limits: Limits
    hidden: dict[str, str]  # paths of this machine -> what stands for them where errors name them
    toy: bool = False  # whether the runs have seen drawn dancers alone

    @property
    def temperature(self) -> float:
        """The motion run's; of several, one a body part, the first."""
        return float(self.motion.config.sampling.temperature[0])

    def job(self, owner: str, room: Path, wishes: Wishes, leave: Callable[[Path, Made | None], None]) -> Job:
        """leave: gets the room and what was made in it, once the job has ended."""
        job = Job(owner, lambda job: self.make(job, room, wishes))
        job.leave = lambda: leave(room, job.result)
        return job

    def make(self, job: Job, room: Path, wishes: Wishes) -> Made:
        """Raises Refused for files that cannot be used, and Cancelled."""
        job.tell("photo")
        pose = room / POSE
        dancer = self.look(room / PHOTO, pose if pose.exists() else None)
        job.tell("song")
        song = self._song(room / SONG)
        job.tell("motion")
        dance = dances.of_photo(
            self.motion, song, dancer.pose, wishes.seconds, wishes.seed, self._sampling(wishes), job.shows
        )
        pictures = self.paint.stream(dancer, dance, wishes.seed, shows=job.shows)
        pictures = marking.marked(_told(pictures, job, len(dance.poses)))
        files = painting.write(str(room / OUT), pictures, dancer, dance, song, job.shows)
        job.tell("write")
        return Made(*files, self._chart(dance.poses, song), len(dance.poses) / music.FPS)

    def _song(self, path: Path) -> Song:
        songs.check_heard(path, self.limits)
        try:
            return dances.read_song(self.motion, str(path))
        except (ValueError, OSError) as error:
            raise Refused("song", sentence(error, {f"{path}: ": "", str(path): "the song"} | self.hidden)) from error

    def _sampling(self, wishes: Wishes) -> Sampling:
        own = Sampling(**self.motion.config.sampling)
        if wishes.temperature == self.temperature:
            return own  # which may be one a part
        return dataclasses.replace(own, temperature=(wishes.temperature,))

    def _chart(self, poses: np.ndarray, song: Song) -> str:
        heard = music.beats(song.audio, dances.AUDIO_RATE, len(poses))
        return time_lines.chart(poses, heard, "the dance")


def _told(frames: Iterator[np.ndarray], job: Job, count: int) -> Iterator[np.ndarray]:
    """The frames, told of one by one, so that a cancel is noticed between them."""
    for number, frame in enumerate(frames, 1):
        job.tell("frames", number, count)
        yield frame


def words(job: Job, before: int) -> tuple[str, float | None]:
    """What its owner reads while it runs, and how much of the phase is done; None where that is not known."""
    if job.state == "waiting":
        return ("Yours is next." if before == 1 else f"{before} dances are made before yours."), None
    share = job.done / job.total if job.total else None
    return PHASES.get(job.phase, "Starting"), share


__all__ = ["OUT", "PHASES", "PHOTO", "POSE", "SONG", "Made", "Maker", "words"]
