"""Results of jobs, kept: what is finished is not done again, whatever ended the run.

A folder of this machine or of a store. FILES/<of path, size and time>: the digest of a file that was read once;
CLIPS/<key>.json: the clips of a job, written when all their files are there; CLIPS/<key>-NAME: the files.
"""

import errno
import hashlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

from etils import epath

from data_pipeline.files import existing, one_line, put
from data_pipeline.preparation.jobs import Job, Made, Make, Outcome

_BLOCK: Final = 2**20
_NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)  # no fault of the job's
_PLAIN: Final = (ValueError, OSError)  # say by themselves what is wrong with a file


class Cache:
    """See above. Several processes may use one folder."""

    def __init__(self, folder: str | os.PathLike[str]):
        self._folder = epath.Path(folder)
        self._files, self._clips = self._folder / "files", self._folder / "clips"

    def create(self) -> None:
        """Makes the folders. Raises OSError where they cannot be."""
        for folder in (self._files, self._clips):
            folder.mkdir(parents=True, exist_ok=True)

    def remove(self) -> None:
        """Removes it with all that it holds."""
        self._folder.rmtree(missing_ok=True)

    def finished(self) -> int:
        """Number of jobs whose results lie here, of any run."""
        return sum(path.suffix == ".json" for path in self._clips.iterdir())

    def path(self, name: str) -> str:
        """Of a file of a clip."""
        return str(self._clips / name)

    def find(self, job: Job) -> Outcome | None:
        """What came of the job; None where it is still to be done, and where it failed."""
        content = self._known_content(job)
        made = None if content is None else self._read(job, job.key(content))
        return None if made is None else Outcome(job, made)

    def failure(self, job: Job) -> str:
        """Why the job failed when it was last tried; "" if it did not."""
        path = self._failed(job)
        return path.read_text() if path.exists() else ""

    def work(self, job: Job, make: Make) -> Outcome:
        """Does the job unless it is done. What is wrong with its file becomes its failure."""
        try:
            content = self._known_content(job)
            if content is None:
                content = self._note_content(job)
            made = self._read(job, job.key(content))
            if made is None:
                made = self._make(job, job.key(content), make)
        except Exception as error:  # whatever files of unknown origin provoke in a dozen libraries: the others go on
            if getattr(error, "errno", None) in _NO_ROOM:
                raise OSError(f"{self._folder}: no room for finished clips ({one_line(error)}); make some") from error
            reason = one_line(error) if isinstance(error, _PLAIN) else f"{type(error).__name__}: {one_line(error)}"
            put(self._failed(job), reason.encode())
            return Outcome(job, failure=reason)
        self._failed(job).unlink(missing_ok=True)
        return Outcome(job, made)

    def _make(self, job: Job, key: str, make: Make) -> tuple[Made, ...]:
        with tempfile.TemporaryDirectory(prefix="xdancer-") as folder:
            made = make(job, Path(folder))
            for file in sorted(Path(folder).iterdir()):
                _move(file, self._clips / f"{key}-{file.name}")
        named = [
            Made.from_json(one.to_json() | {
                name: value and f"{key}-{value}" for name, value in (("file", one.file), ("sound", one.sound))
            }) for one in made
        ]
        put(self._clips / f"{key}.json", json.dumps([one.to_json() for one in named]).encode())
        return tuple(named)

    def _read(self, job: Job, key: str) -> tuple[Made, ...] | None:
        path = self._clips / f"{key}.json"
        if not path.exists():
            return None
        made = tuple(map(Made.from_json, json.loads(path.read_text())))
        return None if any(one.lacking(job.limits) for one in made) else made

    def _failed(self, job: Job) -> epath.Path:
        return self._clips / f"{job.key('')}.failed"

    def _known_content(self, job: Job) -> str | None:
        """The digest of the job's files, if it was found before and they have not changed since."""
        try:
            noted = self._files / _stamp(job)
        except OSError:  # a file is missing: whoever reads it says so
            return None
        return noted.read_text() if noted.exists() else None

    def _note_content(self, job: Job) -> str:
        digest = hashlib.sha256()
        for path in job.files:
            digest.update(file_digest(path).encode())
        put(self._files / _stamp(job), digest.hexdigest().encode())
        return digest.hexdigest()


def file_digest(path: str | os.PathLike[str]) -> str:
    """sha256 of a file, or of the names and contents of a folder's files. Raises as files.existing does."""
    path = epath.Path(path)
    if "://" not in str(path) and not path.is_dir():
        existing(path)
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        digest.update(file.name.encode() + b"\0" if path.is_dir() else b"")
        with file.open("rb") as content:
            while block := content.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def _stamp(job: Job) -> str:
    """Of the job's files as they lie there: paths, sizes and times."""
    known = []
    for path in map(epath.Path, job.files):
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        known += [(str(file), *_size_and_time(file)) for file in files]
    return hashlib.sha256(json.dumps(known).encode()).hexdigest()[:32]


def _size_and_time(file: epath.Path) -> tuple[int, int]:
    if "://" in str(file):
        known = file.stat()
        return known.length, known.mtime
    known = os.stat(file)
    return known.st_size, known.st_mtime_ns  # within a second too


def _move(file: Path, target: epath.Path) -> None:
    if "://" in str(target):
        epath.Path(file).copy(target, overwrite=True)
        return
    beside = Path(f"{target}.part{os.getpid()}")
    shutil.move(file, beside)
    os.replace(beside, target)


__all__ = ["Cache", "file_digest"]
