"""What `make demo` makes with the model that comes with the project: a drawn dancer's dance, and the reader's own."""

from pathlib import Path
from typing import Final, NamedTuple

from launch.making import beside, dances, examples, painting
from launch.making.dances import Dance, Song
from launch.making.painting import Dancer, MakesEstimator, Painter
from launch.runs import loading
from launch.runs.loading import Run

_LARGER: Final = 2  # than the model's pictures is the reader's photo
DANCE, ANIMATION, YOURS = "dance.mp4", "dance.webp", "yours.mp4"


class Model(NamedTuple):
    """A motion and a video run, and how the latter paints: (height, width) of its videos."""

    motion: Run
    paint: Painter
    size: tuple[int, int]

    def dance(self, song: Song, dancer: Dancer, seconds: float, seed: int) -> Dance:
        return dances.of_photo(self.motion, song, dancer.pose, seconds, seed)


class Yours(NamedTuple):
    """The reader's photo and song."""

    dancer: Dancer
    song: Song


def load(runs: Path) -> Model:
    """Raises what loading.load_pair raises."""
    motion, video = loading.load_pair(runs)
    return Model(motion, painting.painter(video, None), painting.video_size(None, video.config))


def read(model: Model, photo: str, song: str, pose: str | None, estimator: MakesEstimator) -> Yours:
    """Before anything long starts. Raises ValueError, OSError or ImportError, which say what is wrong with which."""
    heard, size = dances.read_song(model.motion, song), tuple(_LARGER * side for side in model.size)
    try:
        return Yours(painting.read_dancer(photo, pose, estimator, size), heard)
    except ConnectionError as error:
        raise ConnectionError(f"{error}; or give the photo's pose by --pose (make demo POSE=FILE)") from error


def make(model: Model, out: Path, seconds: float, seed: int) -> list[Path]:
    """A drawn dancer dances to a song, neither of which a model saw: the files that launch.generate writes, the photo,
    its pose and the song, and a small animation."""
    example = examples.make_one(out, model.size, examples.GENRES[0])
    dancer = painting.read_dancer(str(example.photo), str(example.pose), _nobody, model.size)
    song = dances.read_song(model.motion, str(example.song))
    dance = model.dance(song, dancer, seconds, seed)
    frames = model.paint(dancer, dance, seed, quiet=False)
    files = painting.write(str(out / DANCE), frames, dancer, dance, song)
    beside.write_animation(out / ANIMATION, dancer, frames, dance)
    return [*files, out / ANIMATION]


def make_yours(model: Model, yours: Yours, out: Path, seconds: float, seed: int) -> list[Path]:
    """The skeleton's dance beside the photo, and its poses and tokens: the model paints drawn figures alone."""
    dance, (video, poses, _) = model.dance(yours.song, yours.dancer, seconds, seed), painting.outputs(str(out / YOURS))
    dances.write_poses(poses, dance, *yours.dancer.photo.shape[:2])
    beside.write_video(video, yours.dancer, dance, yours.song)
    return [video, poses]


def _nobody() -> None:
    raise AssertionError("examples come with their poses")


__all__ = ["ANIMATION", "DANCE", "YOURS", "Model", "Yours", "load", "make", "make_yours", "read"]
