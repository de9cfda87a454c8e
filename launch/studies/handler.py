"""One request to the server of a study: a file of the page, the session's token, or answers."""

import http.server
import json
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from launch.shell import origins
from launch.studies import answers, byte_ranges

if TYPE_CHECKING:
    from launch.studies.server import Server

_LARGEST: Final = 128 * 1024  # bytes of a request's body
_MOST: Final = 50  # answers a request, as many as the page sends
_TIMEOUT: Final = 30  # s that a client may be silent
_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "media-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Refused(Exception):
    """A request that is not answered, with its status and why."""

    def __init__(self, status: HTTPStatus, why: str):
        super().__init__(why)
        self.status = status


class Handler(http.server.BaseHTTPRequestHandler):
    """GET and HEAD of files and `/session`, POST of `/answers`."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "study", ""
    timeout = _TIMEOUT
    server: "Server"

    def do_GET(self) -> None:
        self._guarded(self._get)

    do_HEAD = do_GET

    def do_POST(self) -> None:
        self._guarded(self._post)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody's address is written down."""

    def _guarded(self, answer) -> None:
        try:
            self._check_host()
            answer()
        except Refused as refused:
            self.close_connection = True  # a body may be unread
            self._send_json(refused.status, {"error": str(refused)})

    # --- Where a request comes from ---

    def _check_host(self) -> None:
        """Refuses names that are not this study's: a page of another site whose name was turned to this machine."""
        host = self.headers.get("Host", "")
        if not self._is_public() and not origins.is_loopback(origins.host_of(host)):  # any port: a tunnel may lead here
            raise Refused(HTTPStatus.MISDIRECTED_REQUEST, "this study is not served under that name")

    def _is_public(self) -> bool:
        """Whether the request is to the name that others reach this server by."""
        origin = self.server.origin
        return origin is not None and origin.partition("://")[2] == self.headers.get("Host")

    def _check_page(self) -> None:
        """Refuses what this study's own page did not send."""
        own = self.server.origin if self._is_public() else f"http://{self.headers.get('Host')}"
        if self.headers.get("Origin") != own:
            raise Refused(HTTPStatus.FORBIDDEN, "answers are taken from this study's own page")
        given = self.headers.get("X-Study-Token", "")
        if not secrets.compare_digest(given.encode(), self.server.token.encode()):
            raise Refused(HTTPStatus.FORBIDDEN, "an old token; load the page anew")

    # --- What is given ---

    def _get(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/session":
            self._send_json(HTTPStatus.OK, {"study": self.server.key.study, "token": self.server.token})
        elif path in self.server.files:
            self._send_file(path)
        else:
            raise Refused(HTTPStatus.NOT_FOUND, "no such page")

    def _send_file(self, path: str) -> None:
        given = self.server.files[path]
        try:
            file = given.path.open("rb")
        except OSError as error:
            self.server.tell(f"{given.path}: cannot be read: {error.strerror}")
            raise Refused(HTTPStatus.NOT_FOUND, "no such page") from error
        with file:
            size = given.path.stat().st_size
            part = byte_ranges.asked(self.headers.get("Range"), size)
            if part is None:
                beyond = {"Content-Range": f"bytes */{size}"}
                self._start(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, given.kind, 0, beyond)
                return
            first, end = part
            headers = {"Accept-Ranges": "bytes", "Cache-Control": "private, max-age=3600"}
            if not path.startswith("/media/"):
                headers["Cache-Control"] = "no-cache"
            whole = (first, end) == (0, size)
            if not whole:
                headers["Content-Range"] = f"bytes {first}-{end - 1}/{size}"
            self._start(HTTPStatus.OK if whole else HTTPStatus.PARTIAL_CONTENT, given.kind, end - first, headers)
            if self.command == "GET":
                file.seek(first)
                _copy(file, self.wfile, end - first)

    # --- What is taken ---

    def _post(self) -> None:
        if self.path != "/answers":
            raise Refused(HTTPStatus.NOT_FOUND, "no such page")
        self._check_page()
        if not self.server.bucket.take():
            raise Refused(HTTPStatus.TOO_MANY_REQUESTS, "too many requests; wait a while")
        found = self._answers(self._body())
        try:
            self.server.log.append(found)
        except OSError as error:
            self.server.tell(f"answers cannot be stored, raters' pages try again: {error.strerror}")
            raise Refused(HTTPStatus.INSUFFICIENT_STORAGE, "cannot be stored now") from error
        self._send_json(HTTPStatus.OK, {"stored": len(found)})

    def _body(self) -> bytes:
        if self.headers.get_content_type() != "application/json":
            raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "answers are application/json")
        length = self.headers.get("Content-Length", "")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()):
            raise Refused(HTTPStatus.LENGTH_REQUIRED, "Content-Length is missing")
        if len(length) > 9 or int(length) > _LARGEST:
            raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {_LARGEST} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise Refused(HTTPStatus.BAD_REQUEST, "cut off")
        return body

    def _answers(self, body: bytes) -> list[answers.Answer]:
        try:
            records = answers.parse(body)
            if not isinstance(records, list) or not 1 <= len(records) <= _MOST:
                raise ValueError(f"expected a list of 1 to {_MOST} answers")
            return [answers.checked(record, self.server.key) for record in records]
        except ValueError as error:
            raise Refused(HTTPStatus.BAD_REQUEST, str(error)) from error

    # --- Sending ---

    def _send_json(self, status: HTTPStatus, record: dict) -> None:
        body = json.dumps(record).encode()
        self._start(status, "application/json", len(body), {"Cache-Control": "no-store"})
        if self.command != "HEAD":
            self.wfile.write(body)

    def _start(self, status: HTTPStatus, kind: str, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in ({"Content-Type": kind, "Content-Length": str(length)} | _HEADERS | headers).items():
            self.send_header(name, value)
        self.end_headers()


def _copy(source, to, count: int) -> None:
    while count and (block := source.read(min(count, 1 << 16))):
        to.write(block)
        count -= len(block)


__all__ = ["Handler", "Refused"]
