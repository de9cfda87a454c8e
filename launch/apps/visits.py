"""What a visitor's page asks for, without a word about how it looks: files are checked, looked at, made a job of."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from launch.apps import limits as limiting
from launch.apps import looking, making, songs
from launch.apps.jobs import Job, Jobs
from launch.apps.limits import Limits
from launch.apps.refusals import Refused
from launch.apps.rooms import Rooms


class Looked(NamedTuple):
    """picture: (H, W, 3) uint8, the photo with its pose; None without a photo. doubts: see looking.doubts."""

    picture: np.ndarray | None
    doubts: str


@dataclasses.dataclass(frozen=True)
class Visits:
    """Of one app. An owner is a page that is open somewhere; files are what the page sends of them, see `path_of`."""

    rooms: Rooms
    jobs: Jobs
    maker: making.Maker
    limits: Limits

    def look(self, owner: str, photo: Any, pose: Any) -> Looked:
        """At the files that the page shows now. Raises Refused."""
        picture, given = self._taken(owner, "photo", photo), self._taken(owner, "pose", pose)
        if given is not None and given.suffix.lower() != ".npz":
            raise Refused("pose", "This is no pose file; give an .npz, such as launch.estimate_poses writes.")
        if picture is None:
            return Looked(None, "")
        dancer = self.maker.look(picture, given)
        return Looked(looking.drawn(dancer), looking.doubts(dancer))

    def listen(self, owner: str, song: Any) -> None:
        """To the song that the page shows now, as far as that takes no time. Raises Refused."""
        path = self._taken(owner, "song", song)
        if path is not None:
            songs.check(path, self.limits)

    def ask(self, owner: str, files: Mapping[str, Any], numbers: Mapping[str, Any]) -> Job:
        """A job of copies of the files, in the queue. Raises Refused.

        files: by "photo", "pose" and "song". numbers: "seconds", "seed" and "temperature".
        """
        wishes = limiting.wishes(**numbers, limits=self.limits)
        taken = {field: self._taken(owner, field, file) for field, file in files.items()}
        for field, sentence in (("photo", "Give a photo, or click an example."), ("song", "Give a song.")):
            if taken[field] is None:
                raise Refused(field, sentence)
        self.look(owner, files["photo"], files["pose"])
        self.listen(owner, files["song"])
        names = {"photo": making.PHOTO, "pose": making.POSE, "song": making.SONG}
        try:
            room = self.rooms.begin(owner, {names[field]: path for field, path in taken.items() if path is not None})
        except OSError as error:
            raise Refused("", "Your files could not be stored; try again later.") from error
        job = self.maker.job(owner, room, wishes, self._leave)
        try:
            return self.jobs.add(job)
        except Refused:
            self.rooms.clear(room)
            raise

    def close(self, owner: str) -> None:
        """The page is closed: its job ends, its files go."""
        self.jobs.cancel(owner)
        self.rooms.leave(owner)

    def _taken(self, owner: str, field: str, file: Any) -> Path | None:
        path = path_of(file)
        found = self.rooms.inside(path)
        if path is not None and found is None:
            raise Refused(field, "This file was not uploaded here.")
        self.rooms.hold(owner, field, found)
        if found is not None:
            limiting.check_size(field, found, self.limits)
        return found

    def _leave(self, room: Path, made: making.Made | None) -> None:
        self.rooms.clear(room, made.files() if made else ())


def path_of(file: Any) -> Any:
    """What a page sends of a file: nothing, or a record with a path."""
    if file is None:
        return None
    return file.get("path", "") if isinstance(file, Mapping) else getattr(file, "path", "")


__all__ = ["Looked", "Visits", "path_of"]
