"""Gives raters the page of a study and takes their answers (standard library).

What it gives are the files that the key names, read into a table when it starts, so that no path of a request is ever
opened. What it takes are answers to this study, from its own page alone: an answer must be JSON, carry the token that
only a page of the same origin can read, and come with that Origin; requests to another Host are refused, so that no
other name leads here (DNS rebinding). For TLS and the world put a reverse proxy before it.
"""

import http.server
import secrets
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from launch.shell.origins import is_loopback, is_origin
from launch.studies import page
from launch.studies.answer_log import AnswerLog
from launch.studies.handler import Handler
from launch.studies.key import Key
from launch.studies.limits import Bucket

_RATE, _BURST = 20, 200  # answers' requests a second, and at once: of all raters
_MEDIA: Final = {".mp4": "video/mp4", ".jpg": "image/jpeg"}


class Given(NamedTuple):
    """A file that is given away, and its media type."""

    path: Path
    kind: str


class Server(http.server.ThreadingHTTPServer):
    """Of one study. `handler.Handler` reads its attributes."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, key: Key, folder: Path, log: AnswerLog, host: str, port: int, origin: str | None):
        self.key, self.log, self.origin = key, log, origin
        self.files = given(key, folder / "page")
        self.token = secrets.token_urlsafe(32)
        self.bucket = Bucket(_RATE, _BURST)
        self.tell: Callable[[str], None] = lambda line: print(line, file=sys.stderr)
        if ":" in host:
            self.address_family = socket.AF_INET6
        super().__init__((host, port), Handler)

    def handle_error(self, request, client_address) -> None:
        """A rater who goes away in the middle is no error; anything else is a line."""
        error = sys.exc_info()[1]
        if not isinstance(error, (ConnectionError, TimeoutError)):
            self.tell(f"a request failed: {type(error).__name__}: {error}")


def start(key: Key, folder: str, log: AnswerLog, host: str, port: int, origin: str | None) -> Server:
    """A server that listens; `serve_forever` answers.

    Args:
      host: address of this machine. port: 0 for any.
      origin: what raters' browsers show (https://study.example.org), where that is not this machine itself.

    Raises:
      ValueError: an address for others without `origin`, or an origin that is none.
      FileNotFoundError: a file of the page is missing.
      OSError: the port is taken.
    """
    if origin is not None and not is_origin(origin):
        raise ValueError(f"--origin={origin}: write it as https://HOST or http://HOST:PORT, without a path")
    if origin is None and not is_loopback(host):
        raise ValueError(f"--host={host}: others may reach it; give --origin too, the address that raters type")
    try:
        return Server(key, Path(folder), log, host, port, origin)
    except (OSError, OverflowError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise OSError(f"--host={host} --port={port}: cannot listen there: {error}") from error


def given(key: Key, folder: Path) -> dict[str, Given]:
    """The files of the page by the path that a browser asks for. Raises FileNotFoundError for one that is missing."""
    files = {f"/{name}": Given(folder / name, f"{kind}; charset=utf-8") for name, kind in page.PARTS.items()}
    files["/"] = files["/index.html"]
    for name in key.files():
        path = folder / "media" / name
        files[f"/media/{name}"] = Given(path, _MEDIA[path.suffix])
    if missing := [one.path for one in files.values() if not one.path.is_file()]:
        raise FileNotFoundError(f"{missing[0]}: no such file; make the study anew")
    return files


__all__ = ["Given", "Server", "given", "start"]
