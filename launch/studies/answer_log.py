"""The file that the server adds answers to: whole lines or none, whatever happens to the disk or the process."""

import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from launch.studies.answers import Answer, parse

_LARGEST: Final = 256 * 2**20  # bytes: some 600 000 answers


class AnswerLog:
    """Adds lines to a file. Threads may share it; another process is kept out by who opens it (server.py)."""

    def __init__(self, path: Path):
        """Opens the file, makes it if need be, and cuts off a last line that was not written to its end, which nobody
        was told is stored. Raises OSError naming the file."""
        self._path, self._lock = path, threading.Lock()
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            self.repaired = self._repair()
        except OSError as error:
            raise OSError(error.errno, f"cannot write: {error.strerror}", str(path)) from error

    def append(self, answers: Sequence[Answer]) -> None:
        """All of them, on the disk when this returns. Raises OSError, with the file as it was before."""
        content = "".join(answer.line() for answer in answers).encode()
        with self._lock:
            before = os.fstat(self._file).st_size
            if before + len(content) > _LARGEST:
                raise OSError(errno.EFBIG, "the file of answers is as large as it may be", str(self._path))
            try:
                view = memoryview(content)
                while view:
                    view = view[os.write(self._file, view) :]
                os.fsync(self._file)
            except OSError:
                os.ftruncate(self._file, before)
                raise

    def close(self) -> None:
        os.close(self._file)

    def _repair(self) -> int:
        """Bytes that were cut off. A whole answer that lacks its line's end gets that."""
        size = os.fstat(self._file).st_size
        content = os.pread(self._file, size, 0)
        rest = content[content.rfind(b"\n") + 1 :]
        if not rest:
            return 0
        try:
            parse(rest)
        except ValueError:
            os.ftruncate(self._file, size - len(rest))
            return len(rest)
        os.write(self._file, b"\n")
        return 0


__all__ = ["AnswerLog"]
