"""Which videos are compared: those that have one name in the folders of all systems."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

_VIDEOS: Final = (".mp4", ".m4v", ".mov", ".webm", ".mkv")
_PHOTOS: Final = (".jpg", ".jpeg", ".png", ".webp", ".avif", ".heic", ".tif", ".tiff")
_MOST_SYSTEMS: Final = 6  # clips that a person can hold side by side
_MOST_ITEMS: Final = 500


class Compared(NamedTuple):
    """One name: its video of every system, in the order of the systems, and the photo of its dancer."""

    name: str
    videos: tuple[Path, ...]
    photo: Path | None


class Paired(NamedTuple):
    """systems: their names, told apart by as little of the folders' paths as is needed. left_out: a line for each video
    that a system lacks."""

    systems: tuple[str, ...]
    items: tuple[Compared, ...]
    left_out: tuple[str, ...]


def pair(folders: Sequence[str], photos: str | None) -> Paired:
    """Pairs the videos of folders by their names without suffix.

    Raises:
      FileNotFoundError: a folder or a photo that is not there.
      ValueError: fewer than two systems or too many, one folder twice, no common name, two videos of one name.
    """
    if not 2 <= len(folders) <= _MOST_SYSTEMS:
        raise ValueError(f"--videos: given {len(folders)} times; give it 2 to {_MOST_SYSTEMS} times, once a system")
    found = [_by_name(folder, "--videos", _VIDEOS) for folder in folders]
    if len({os.path.realpath(folder) for folder in folders}) < len(folders):
        raise ValueError("--videos: one folder is given twice; give each system its own")
    common = sorted(set.intersection(*(set(videos) for videos in found)))
    if not common:
        raise ValueError(f"--videos: no video has the same name in all of {', '.join(folders)}; name them alike")
    if len(common) > _MOST_ITEMS:
        raise ValueError(f"--videos: {len(common)} names in common, more than {_MOST_ITEMS}; give fewer")
    shown = _by_name(photos, "--photos", _PHOTOS) if photos else {}
    if photos and (missing := [name for name in common if name not in shown]):
        raise FileNotFoundError(f"--photos={photos}: no photo named {missing[0]}; add it, or leave out --photos")
    left_out = [
        f"left out: {name}, not in {folder}"
        for name in sorted(set.union(*map(set, found)) - set(common))
        for folder, videos in zip(folders, found, strict=True) if name not in videos
    ]
    items = tuple(Compared(name, tuple(videos[name] for videos in found), shown.get(name)) for name in common)
    return Paired(_system_names(folders), items, tuple(left_out))


def _by_name(folder: str, flag: str, suffixes: Sequence[str]) -> dict[str, Path]:
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"{flag}={folder}: no such folder")
    found: dict[str, Path] = {}
    for path in sorted(Path(folder).iterdir()):
        if path.suffix.lower() in suffixes and not path.name.startswith("."):
            if path.stem in found:
                raise ValueError(f"{flag}={folder}: {found[path.stem].name} and {path.name} have one name; rename one")
            found[path.stem] = path
    if not found:
        raise ValueError(f"{flag}={folder}: holds none of {' '.join(suffixes)}")
    return found


def _system_names(folders: Sequence[str]) -> tuple[str, ...]:
    """The shortest ends of the paths, of one length, that differ."""
    parts = [Path(os.path.realpath(folder)).parts for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        names = tuple("/".join(path[-length:]) for path in parts)
        if len(set(names)) == len(names):
            return names
    raise AssertionError("folders that differ have paths that differ")


__all__ = ["Compared", "Paired", "pair"]
