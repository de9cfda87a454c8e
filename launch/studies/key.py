"""The key of a study: which clip is of which system. It lies beside the page, never in it."""

import json
import re
from pathlib import Path
from typing import Final, NamedTuple

from data_pipeline.files import existing, write_atomically

FORMAT: Final = 1
_NAME: Final = re.compile(r"[0-9a-f]{16}")


class Item(NamedTuple):
    """What is compared at once.

    Attributes:
      id: random; all that the page and the answers know it by.
      name: of the videos.
      clips: random name of the copy -> number of its system.
      sizes: (width, height) in pixels by clip.
      photo: random name of its copy, or "".
    """

    id: str
    name: str
    clips: dict[str, int]
    sizes: dict[str, list[int]]
    photo: str


class Key(NamedTuple):
    """Of a whole study.

    Attributes:
      study: its id, which is part of every answer.
      salt: what the random names were made with.
      questions: text by name.
    """

    study: str
    salt: str
    systems: list[str]
    questions: dict[str, str]
    items: list[Item]

    def files(self) -> list[str]:
        """Names in the page's folder `media`."""
        return [f"{clip}.mp4" for item in self.items for clip in item.clips] + [
            f"{item.photo}.jpg" for item in self.items if item.photo
        ]


def save(key: Key, folder: Path) -> None:
    record = key._asdict() | {"format": FORMAT, "items": [item._asdict() for item in key.items]}
    write_atomically(folder / "key.json", json.dumps(record, indent=1, ensure_ascii=False).encode())


def load(folder: str) -> Key:
    """The key of the study in `folder`.

    Raises FileNotFoundError where there is none, and ValueError for one that is not a key, or of another format.
    """
    if not (Path(folder) / "key.json").exists():
        raise FileNotFoundError(f"--out={folder}: holds no study; make it with --videos DIR --videos DIR")
    path = existing(Path(folder) / "key.json")
    try:
        record = json.loads(path.read_bytes())
        if record.pop("format") != FORMAT:
            raise ValueError("made by another version")
        key = Key(**record)
        key = key._replace(items=[Item(**item) for item in key.items])
        _check(key)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: not the key of a study ({error}); make the study anew") from error
    return key


def _check(key: Key) -> None:
    """Raises ValueError or TypeError for what the server and the results could stumble over."""
    names = [key.study, *(name for item in key.items for name in (item.id, *item.clips, *filter(None, [item.photo])))]
    if not all(_NAME.fullmatch(name) for name in names) or len(set(names)) < len(names):
        raise ValueError("names that were not made here")
    if not key.items or not all(sorted(item.clips.values()) == list(range(len(key.systems))) for item in key.items):
        raise ValueError("clips that are not one a system")
    if not isinstance(key.questions, dict) or not key.questions:
        raise ValueError("no questions")


__all__ = ["FORMAT", "Item", "Key", "load", "save"]
