"""Stands before Gradio, and lets through what the app's own page sends and nothing else (ASGI, standard library).

Gradio (read in 6.31) serves far more than a page needs: calls by name, streams, proxies and files by address, which the
server would fetch. It answers other sites' requests as well, only without the header that would let their scripts read
the answer, and takes the name that a request is to as it comes. So here: routes are listed, requests are to this
machine or to the origin that was named, what changes something comes from a page of that origin, bodies are limited,
and a file that is named in one is an upload of this app.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import unquote

from launch.shell import origins

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_API: Final = "/gradio_api"
_FILE: Final = f"{_API}/file="
_READ: Final = re.compile(
    r"/|/config/?|/theme\.css|/favicon\.ico|/manifest\.json|/robots\.txt|/(assets|static)/[\w./~@-]+"
    rf"|{_API}/(startup-events|theme\.css|app_id/?|heartbeat/\w+|queue/data|upload_progress|file=.+)"
)
_WRITE: Final = re.compile(rf"{_API}/(queue/join|upload|cancel|reset/?)")
_SHOWN: Final = re.compile(rf"(https?://[^/]+)?{_FILE}")
_MOST_JSON: Final = 64 * 1024  # bytes
_FORM: Final = 4096  # bytes of an upload's body beside the file
_DEEPEST: Final = 20
_HEADERS: Final = {
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; media-src 'self' data: blob:; "
    "font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Barred(Exception):
    """A request that is not let through, with its status and why."""

    def __init__(self, status: HTTPStatus, why: str):
        super().__init__(why)
        self.status = status


class Gate:
    """An ASGI app before another.

    Args:
      origin: what visitors type where others reach the app; None for this machine alone.
      inside: what the app may open by a path, or None (rooms.Rooms.inside).
      upload_bytes: the most of one upload. full: whether there is no place for another.
    """

    def __init__(
        self, app: Callable, origin: str | None, inside: Callable[[object], Any], upload_bytes: int,
        full: Callable[[], bool],
    ):
        self._app, self._origin, self._inside = app, origin, inside
        self._upload_bytes, self._full = upload_bytes, full

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close"})
            return
        try:
            receive = await self._checked(scope, receive)
            await self._app(scope, receive, _with_headers(send))
        except Barred as barred:
            await _answer(send, barred)

    async def _checked(self, scope: Message, receive: Receive) -> Receive:
        """Raises Barred. Returns where the body comes from then."""
        headers = {name.decode("latin1").lower(): value.decode("latin1") for name, value in scope["headers"]}
        self._check_host(headers)
        path = scope["path"]
        if scope["method"] in ("GET", "HEAD"):
            if not _READ.fullmatch(path):
                raise Barred(HTTPStatus.NOT_FOUND, "no such page")
            if path.startswith(_FILE) and self._inside(path.removeprefix(_FILE)) is None:
                raise Barred(HTTPStatus.FORBIDDEN, "no file of this app")
            return receive
        if scope["method"] != "POST" or not _WRITE.fullmatch(path):
            raise Barred(HTTPStatus.NOT_FOUND, "no such page")
        self._check_page(headers)
        if path == f"{_API}/upload":
            if self._full():
                raise Barred(HTTPStatus.INSUFFICIENT_STORAGE, "there is no place for uploads now; try again later")
            return _counted(receive, self._upload_bytes + _FORM, headers)
        return await self._read(receive, headers)

    def _check_host(self, headers: dict[str, str]) -> None:
        """Refuses names that are not this app's: a page of another site whose name was turned to this machine."""
        if not self._is_public(headers) and not origins.is_loopback(origins.host_of(headers.get("host", ""))):
            raise Barred(HTTPStatus.MISDIRECTED_REQUEST, "this app is not served under that name")

    def _is_public(self, headers: dict[str, str]) -> bool:
        return self._origin is not None and self._origin.partition("://")[2] == headers.get("host")

    def _check_page(self, headers: dict[str, str]) -> None:
        own = self._origin if self._is_public(headers) else f"http://{headers.get('host')}"
        if headers.get("origin") != own:
            raise Barred(HTTPStatus.FORBIDDEN, "requests are taken from this app's own page")

    async def _read(self, receive: Receive, headers: dict[str, str]) -> Receive:
        """Reads a body of JSON and looks at the files that it names."""
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Barred(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "application/json is spoken here")
        counted, body, more = _counted(receive, _MOST_JSON, headers), b"", True
        while more:
            message = await counted()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        try:
            found = json.loads(body)
            for each in _files(found):
                if self._inside(each.get("path")) is None or not _is_own(each.get("url")):
                    raise Barred(HTTPStatus.BAD_REQUEST, "a file that was not uploaded here")
        except (ValueError, RecursionError) as error:
            raise Barred(HTTPStatus.BAD_REQUEST, "no JSON that is known here") from error
        return _again(body, receive)


def _files(value: Any, depth: int = 0) -> Iterator[dict]:
    """Whatever looks like a file anywhere in a parsed body. Raises ValueError for one that is nested too deeply."""
    if depth > _DEEPEST:
        raise ValueError("nested too deeply")
    if isinstance(value, dict):
        if "path" in value or "url" in value or "meta" in value:
            yield value
        for each in value.values():
            yield from _files(each, depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from _files(each, depth + 1)


def _is_own(url: Any) -> bool:
    """Whether the address beside a path is one that the page shows it under, and no content or another site's."""
    return url is None or (isinstance(url, str) and _SHOWN.match(unquote(url)) is not None)


def _counted(receive: Receive, most: int, headers: dict[str, str]) -> Receive:
    """The same body; one that is longer raises Barred, before any of it is read where it says so."""
    length, read = headers.get("content-length", ""), 0
    if length.isdigit() and (len(length) > 15 or int(length) > most):
        raise Barred(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {most} bytes")

    async def counted() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if message["type"] == "http.disconnect":
            raise Barred(HTTPStatus.BAD_REQUEST, "cut off")
        if read > most:
            raise Barred(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {most} bytes")
        return message

    return counted


def _again(body: bytes, receive: Receive) -> Receive:
    """A body that was read, once more, and what comes after it."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = [(name.encode(), value.encode()) for name, value in _HEADERS.items()]
            theirs = [each for each in message.get("headers", []) if each[0].lower().decode() not in _HEADERS]
            message = {**message, "headers": [*theirs, *ours]}
        await send(message)

    return sending


async def _answer(send: Send, barred: Barred) -> None:
    body = str(barred).encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    headers += [(b"connection", b"close")]  # a body may be unread
    await _with_headers(send)({"type": "http.response.start", "status": barred.status.value, "headers": headers})
    await send({"type": "http.response.body", "body": body})


__all__ = ["Barred", "Gate"]
