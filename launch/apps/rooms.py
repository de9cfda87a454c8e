"""Where the files of visitors lie, and when they go.

One folder of this process, which others on the machine cannot read, and which goes when it ends. What is uploaded
stays while its page is open and shows it; what a job reads and makes has a room of its own. Whatever nobody takes away
goes by its age.
"""

import contextlib
import os
import secrets
import shutil
import threading
import time
from pathlib import Path

_EXAMPLES, _ROOMS = "examples", "rooms"


class Rooms:
    """The files under `folder`. Threads may share it."""

    def __init__(self, folder: Path):
        """folder: exists, empty, and nobody else's."""
        self.folder, self._lock = folder.resolve(), threading.Lock()
        self._held: dict[tuple[str, str], Path] = {}  # (owner, field) -> upload
        self._rooms: dict[str, set[Path]] = {}  # owner -> those of its jobs
        self._busy: set[Path] = set()  # rooms of jobs that have not ended
        for name in (_EXAMPLES, _ROOMS):
            (self.folder / name).mkdir()

    @property
    def examples(self) -> Path:
        return self.folder / _EXAMPLES

    def inside(self, path: object) -> Path | None:
        """The path of a file that may be opened for a visitor; None for any other."""
        if not isinstance(path, str) or "\0" in path or not os.path.isabs(path):
            return None
        found = Path(os.path.realpath(path))  # links are followed
        return found if found.is_relative_to(self.folder) and found != self.folder else None

    def hold(self, owner: str, field: str, path: Path | None) -> None:
        """The page of `owner` shows this upload in a field now, and no longer the one before."""
        with self._lock:
            before = self._held.pop((owner, field), None)
            if path is not None and not path.is_relative_to(self.examples):
                self._held[owner, field] = path
            if before is not None and before not in self._held.values():  # equal files lie in one place
                _remove(before)

    def begin(self, owner: str, files: dict[str, Path]) -> Path:
        """A new room with copies of `files` by name; those of the owner's jobs that have ended go."""
        room = self.folder / _ROOMS / secrets.token_urlsafe(16)
        room.mkdir()
        with self._lock:
            self._busy.add(room)
            own = self._rooms.setdefault(owner, set())
            old = own - self._busy
            own.difference_update(old)
            own.add(room)
        for path in old:
            _remove(path)
        for name, path in files.items():
            shutil.copyfile(path, room / name)
        return room

    def clear(self, room: Path, kept: tuple[Path, ...] = ()) -> None:
        """Its job has ended: removes what is in a room but for `kept`, and without these the room."""
        self._busy.discard(room)
        if not kept:
            _remove(room)
            return
        with contextlib.suppress(FileNotFoundError):
            for path in room.iterdir():
                if path not in kept:
                    _remove(path)

    def leave(self, owner: str) -> None:
        """The page of `owner` is closed."""
        with self._lock:
            rooms = self._rooms.pop(owner, set())
            fields = [field for of, field in self._held if of == owner]
        for field in fields:
            self.hold(owner, field, None)
        for room in rooms:
            _remove(room)

    def sweep(self, seconds: float, now: float | None = None) -> None:
        """Removes what is older than that, but for the examples; of rooms their newest file counts."""
        oldest = (time.time() if now is None else now) - seconds
        uploads = [path for path in self.folder.iterdir() if path.name not in (_EXAMPLES, _ROOMS)]
        for path in [*uploads, *(self.folder / _ROOMS).iterdir()]:
            if path not in self._busy and _touched(path) < oldest:
                _remove(path)

    def used(self) -> int:
        """Bytes of all."""
        return sum(_size(Path(folder) / name) for folder, _, names in os.walk(self.folder) for name in names)


def _touched(path: Path) -> float:
    found = [0.0]
    for each in [path, *path.rglob("*")]:
        with contextlib.suppress(FileNotFoundError):
            found.append(each.stat().st_mtime)
    return max(found)


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return 0


def _remove(path: Path) -> None:
    """A file, with the folder that it lies in alone, or a folder."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        return
    path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not empty, or gone
        if path.parent.name not in (_EXAMPLES, _ROOMS):
            path.parent.rmdir()


__all__ = ["Rooms"]
