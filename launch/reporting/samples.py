"""Clips beside the truth and their skeletons, as players in the page, with their beats on a time line."""

import io
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from etils import epath

from data_pipeline import audio_files, music, poses, provenance, video_files
from data_pipeline.files import one_line
from data_pipeline.music.timing import SAMPLE_RATE
from launch.reporting import beats as time_lines
from launch.reporting.markup import text, url
from xdancer_jax import paths

_SKELETON = (224, 128)  # pixels of a drawn skeleton
_EVERY = 2  # of its frames are drawn: half the time, and still smooth
TRUTH = "_truth"
_POSES, _DRAWN = "_poses", "_skeleton"  # what launch.generate's files beside NAME.mp4 are called


class Clip(NamedTuple):
    """made, truth, skeleton: videos. dance: the file of its poses. What is not there is None."""

    name: str
    made: epath.Path | None
    truth: epath.Path | None
    skeleton: epath.Path | None
    dance: epath.Path | None


class Shelf:
    """What is put into the page, up to `megabytes`. left_out: the names of files for which there was no room."""

    def __init__(self, megabytes: float):
        self._room = megabytes * 1e6
        self.left_out: list[str] = []

    def url(self, path: epath.Path) -> str:
        """A data: URL of the file; "" where there is no room for it."""
        return self.put(paths.translated(path, path.read_bytes), path.suffix, str(path))

    def put(self, content: bytes, suffix: str, name: str) -> str:
        if len(content) > self._room:
            self.left_out.append(name)
            return ""
        self._room -= len(content)
        return url(content, suffix)


def listed(place: epath.Path) -> list[Clip]:
    """Clips of a folder by name: NAME.mp4, NAME_truth.mp4, NAME.npz, and as launch.generate names them NAME_poses.npz
    and NAME_skeleton.mp4. Of a file, such as NAME.mp4, that clip alone."""
    if place.suffix and paths.translated(place, place.is_file):
        return [clip for clip in listed(place.parent) if clip.name == place.stem]
    folder = place
    files = paths.translated(folder, lambda: {path.name: path for path in folder.iterdir() if path.is_file()})
    stems = {Path(name).stem for name in files if Path(name).suffix in (".mp4", ".npz") and not name.startswith(".")}
    names = sorted(stem for stem in stems if not _belongs(stem, stems))
    return [
        Clip(name, files.get(f"{name}.mp4"), files.get(f"{name}{TRUTH}.mp4"), files.get(f"{name}{_DRAWN}.mp4"),
             files.get(f"{name}.npz") or files.get(f"{name}{_POSES}.npz"))
        for name in names
    ]  # fmt: skip


def _belongs(stem: str, stems: set[str]) -> bool:
    return any(stem.endswith(end) and stem.removesuffix(end) in stems for end in (TRUTH, _POSES, _DRAWN))


def shown(clip: Clip, shelf: Shelf, drawn: bool) -> str:
    """HTML of a clip. drawn: its video is of skeletons, so that none is drawn beside it.

    Raises ValueError, which names the file, for poses that are none.
    """
    dance = None if clip.dance is None else read_dance(clip.dance)
    players = [_player(clip.made, f"{clip.name}, made", "made", shelf)]
    players += [_player(clip.truth, f"{clip.name}, the real one", "truth", shelf)]
    if clip.skeleton is not None:
        players += [_player(clip.skeleton, f"{clip.name}, skeleton", "skeleton", shelf)]
    elif dance is not None and not (drawn and clip.made):
        source = shelf.put(_skeleton(dance.poses), ".mp4", f"{clip.name}, skeleton")
        players += [_video(source, f"{clip.name}, skeleton", "skeleton")]
    players = [each for each in players if each]
    line = "" if dance is None or len(dance.poses) < 2 else _time_line(clip, dance)
    button = '<button type="button" class="together">Play together</button>' if players else ""
    return (
        f'<article class="clip"><h4>{text(clip.name)}</h4>'
        f'<div class="players">{"".join(players)}</div>{button}{line}</article>'
    )


def _time_line(clip: Clip, dance: "Dance") -> str:
    beats = dance.beats if dance.beats is not None else _heard(clip.made, len(dance.poses))
    seconds = f"{(len(dance.poses) - 1) / dance.fps:.4f}"
    chart = time_lines.chart(dance.poses, beats, clip.name, dance.fps)
    return f'<figure class="line" data-seconds="{seconds}">{chart}</figure>'


class Dance(NamedTuple):
    """poses (F, 60, 3) in record coordinates at fps; beats of its song, see beat_alignment, or None."""

    poses: np.ndarray
    beats: np.ndarray | None
    fps: float


def read_dance(path: epath.Path) -> Dance | None:
    """A pose file of ours, in pixels with its frame's size, or a dance in record coordinates; None of a kept clip that
    has pictures and no poses.

    Raises ValueError, which names the file.
    """
    try:
        with np.load(io.BytesIO(paths.translated(path, path.read_bytes)), allow_pickle=False) as file:
            found = {name: file[name] for name in ("poses", "beats", "height", "width", "fps") if name in file}
        if "poses" not in found:
            return None
        clip = found["poses"]
        if clip.ndim != 3 or clip.shape[1:] != (60, 3) or len(clip) == 0:
            raise ValueError(f"poses of shape {clip.shape}; (F, 60, 3) is expected")
        if "height" in found:
            clip = poses.normalise(clip, int(found["height"]), int(found["width"]))
        return Dance(np.asarray(clip, np.float32), found.get("beats"), float(found.get("fps", music.FPS)))
    except OSError:
        raise
    except Exception as error:  # numpy and zipfile raise what they like for bytes that are no file of theirs
        raise ValueError(f"{path}: not a dance ({one_line(error)}); make it again, or move it away") from error


def _heard(video: epath.Path | None, frames: int) -> np.ndarray | None:
    """Beats of the sound of a local video; None where it has none, or none that can be analysed."""
    if video is None or paths.in_store(video):
        return None
    try:
        return music.beats(audio_files.read_audio(str(video), SAMPLE_RATE), SAMPLE_RATE, frames)
    except (ValueError, OSError):
        return None


def _skeleton(clip: np.ndarray) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "skeleton.mp4"
        drawn = (poses.draw(pose, *_SKELETON) for pose in clip[::_EVERY])
        video_files.write_video(path, drawn, music.FPS / _EVERY, source=provenance.GENERATED)
        return path.read_bytes()


def _player(path: epath.Path | None, says: str, caption: str, shelf: Shelf) -> str:
    return "" if path is None else _video(shelf.url(path), says, caption)


def _video(source: str, says: str, caption: str) -> str:
    """Muted unless it is the made one: two songs at once are one too many."""
    if not source:
        return f'<figure><p class="missing">no room for it in this page</p><figcaption>{caption}</figcaption></figure>'
    muted = "" if caption == "made" else " muted"
    return (
        f'<figure><video controls playsinline preload="metadata"{muted} aria-label="{text(says)}" src="{source}">'
        f"</video><figcaption>{caption}</figcaption></figure>"
    )


def picture(path: epath.Path, shelf: Shelf, says: str) -> str:
    """HTML of a picture or video that training drew."""
    source = shelf.url(path)
    if not source:
        return ""
    if path.suffix == ".mp4":
        return _video(source, says, says)
    return f'<figure><img alt="{text(says)}" src="{source}"><figcaption>{text(says)}</figcaption></figure>'


def all_of(folders: Sequence[epath.Path], most: int, shelf: Shelf) -> Iterator[str]:
    """HTML of the first `most` clips of each folder."""
    for folder in folders:
        clips = listed(folder)
        drawn = folder.parent.name in ("motion", "reconstruction")  # whose videos are skeletons
        yield from (shown(clip, shelf, drawn) for clip in clips[:most])
        if len(clips) > most:
            yield f"<p>{len(clips) - most} more in {text(folder)}</p>"


__all__ = ["Clip", "Dance", "Shelf", "all_of", "listed", "picture", "read_dance", "shown"]
