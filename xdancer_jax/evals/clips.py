"""Videos as metrics read them, a frame at a time, and the clips that a protocol cuts out of them.

Nothing here holds a whole video: memory is that of one clip. A video that cannot be read to its end, or is too short,
is left out as a whole, counted and named (LeftOut); one of another frame rate or size ends the measurement.
"""

import collections
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

from xdancer_jax.typing import typechecked


@dataclasses.dataclass(frozen=True)
class Video:
    """A video that can be read again and again.

    Attributes:
      name: shown in messages.
      fps: frames a second.
      shape: (frames, height, width).
      read: opens it: frames (H, W, 3), uint8, in turn. Raises OSError or ValueError where it cannot be read.
    """

    name: str
    fps: float
    shape: tuple[int, int, int]
    read: Callable[[], Iterable[np.ndarray]]


def of_array(name: str, fps: float, frames: np.ndarray) -> Video:
    """A video of `frames` (F, H, W, 3), uint8."""
    return Video(name, fps, frames.shape[:3], lambda: frames)


class Clip(NamedTuple):
    """frames (length, H, W, 3), uint8, from frame `start` of a video."""

    video: str
    start: int
    frames: np.ndarray


@dataclasses.dataclass
class LeftOut:
    """Names of the videos that count for nothing, and why; filled while they are read."""

    short: list[str] = dataclasses.field(default_factory=list)
    unreadable: list[str] = dataclasses.field(default_factory=list)
    names: set[str] = dataclasses.field(default_factory=set)  # of unreadable ones alone

    def broken(self, video: Video, error: Exception) -> None:
        """Notes a video that cannot be read."""
        self.unreadable.append(f"{video.name} ({str(error).splitlines()[0]})")
        self.names.add(video.name)

    def counts(self, side: str) -> dict[str, int]:
        """By kind, for a Result."""
        return {f"{side}_too_short": len(self.short), f"{side}_unreadable": len(self.unreadable)}

    def notes(self, side: str) -> list[str]:
        """A line for each kind that there is."""
        kinds = (("too short", self.short), ("unreadable", self.unreadable))
        return [f"{side}: {len(names)} left out, {kind}: {'; '.join(names)}" for kind, names in kinds if names]


@dataclasses.dataclass(frozen=True)
class Cut:
    """Which clips of a video count.

    Attributes:
      length: frames of a clip.
      where: "first" frames; one at "random"; "every" `stride` frames; or "segments", one after the other, the last
        one filled up with the video's last frame.
      stride: see "every".
      drop_last: "every" leaves out the last possible clip.
      total: clips in all; "random" goes round the videos until there are so many. None: one a video for "first" and
        "random", all for the others.
      seed: of "random".
    """

    length: int = 16
    where: Literal["first", "random", "every", "segments"] = "first"
    stride: int = 1
    drop_last: bool = False
    total: int | None = None
    seed: int = 0

    def starts(self, videos: Sequence[Video]) -> list[list[int]]:
        """First frames of each video's clips; none for one that is too short."""
        lengths = [video.shape[0] for video in videos]
        if self.where == "random":
            return self._random(lengths)
        found = [self._fixed(length) for length in lengths]
        if self.total is None:
            return found
        left, kept = self.total, []
        for starts in found:
            kept.append(starts[:left])
            left -= len(kept[-1])
        return kept

    def _fixed(self, length: int) -> list[int]:
        if self.where == "segments":
            return list(range(0, length, self.length))
        if length < self.length:
            return []
        if self.where == "first":
            return [0]
        return list(range(0, length - self.length + (0 if self.drop_last else 1), self.stride))

    def _random(self, lengths: Sequence[int]) -> list[list[int]]:
        rng = np.random.default_rng(self.seed)
        found: list[list[int]] = [[] for _ in lengths]
        usable = [i for i, length in enumerate(lengths) if length >= self.length]
        for turn in range(0 if not usable else self.total or len(usable)):
            i = usable[turn % len(usable)]
            found[i].append(int(rng.integers(lengths[i] - self.length + 1)))
        return [sorted(starts) for starts in found]


class UnreadableVideo(OSError):
    """A video of which not every frame that it should have can be had."""


def frames_of(video: Video) -> Iterator[np.ndarray]:
    """The video's frames. Raises UnreadableVideo where its reader fails, and for frames of another shape or type, or
    another number than it says."""
    count = 0
    try:
        for count, frame in enumerate(video.read(), 1):
            if frame.dtype != np.uint8 or frame.shape != (*video.shape[1:], 3):
                wanted = f"uint8 {(*video.shape[1:], 3)}"
                raise ValueError(f"frame {count - 1} is {frame.dtype} {frame.shape}, {wanted} expected")
            yield frame
    except (OSError, ValueError) as error:
        raise UnreadableVideo(str(error)) from error
    if count != video.shape[0]:
        raise UnreadableVideo(f"{count} frames can be read of {video.shape[0]}")


def clips(video: Video, starts: Sequence[int], cut: Cut) -> Iterator[Clip]:
    """The clips from `starts`, in turn; the frames of one clip are held. Raises as `frames_of` does, at any clip: what
    came before is then not to be counted either."""
    waiting = collections.deque(starts)
    held: collections.deque[np.ndarray] = collections.deque(maxlen=cut.length)
    last = 0
    for last, frame in enumerate(frames_of(video)):
        held.append(frame)
        while waiting and last == waiting[0] + cut.length - 1:
            yield Clip(video.name, waiting.popleft(), np.stack(held))
    if waiting:  # the last segment
        kept = list(held)[-(last + 1 - waiting[0]) :]
        kept += [kept[-1]] * (cut.length - len(kept))
        yield Clip(video.name, waiting[0], np.stack(kept))


@typechecked
def check_alike(real: Sequence[Video], made: Sequence[Video], paired: bool) -> None:
    """Whether two sides may be compared.

    Raises ValueError that names the first video of another frame rate or size than the first real one, or, where
    they are `paired`, another name or length than its partner; or a name that stands twice; or says that a side is
    empty.
    """
    if not real or not made:
        raise ValueError(f"{len(real)} real videos and {len(made)} made ones: both are needed")
    for side in (real, made):
        double = [name for name, count in collections.Counter(video.name for video in side).items() if count > 1]
        if double:
            raise ValueError(f"{double[0]}: two videos of this name on one side; give each its own")
    first = real[0]
    for video in [*real, *made]:
        if abs(video.fps - first.fps) > 1e-3:
            raise ValueError(f"{video.name}: {video.fps:g} frames a second, {first.name} has {first.fps:g}; "
                             "resample one of them")
        if video.shape[1:] != first.shape[1:]:
            sizes = [f"{v.shape[1]} x {v.shape[2]}" for v in (video, first)]
            raise ValueError(f"{video.name}: frames of {sizes[0]}, {first.name} has {sizes[1]}; resize one of them")
    if paired:
        _check_pairs(real, made)


def _check_pairs(real: Sequence[Video], made: Sequence[Video]) -> None:
    if len(real) != len(made):
        raise ValueError(f"{len(real)} real videos and {len(made)} made ones do not make pairs")
    for one, other in zip(real, made, strict=True):
        if one.name != other.name or one.shape[0] != other.shape[0]:
            raise ValueError(
                f"{other.name} ({other.shape[0]} frames) is no partner of {one.name} ({one.shape[0]} frames)"
            )


def chunks(one: Video, other: Video, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """At most `size` frames (n, H, W, 3) of both at a time. Raises as `frames_of` does."""
    held: list[tuple[np.ndarray, np.ndarray]] = []
    for both in zip(frames_of(one), frames_of(other), strict=True):
        held.append(both)
        if len(held) == size:
            yield np.stack([a for a, _ in held]), np.stack([b for _, b in held])
            held = []
    if held:
        yield np.stack([a for a, _ in held]), np.stack([b for _, b in held])


__all__ = [
    "Clip", "Cut", "LeftOut", "UnreadableVideo", "Video", "check_alike", "chunks", "clips", "frames_of", "of_array",
]
