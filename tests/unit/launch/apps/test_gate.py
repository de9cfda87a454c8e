"""What the gate lets through to an app behind it; no Gradio is needed."""

import asyncio
import json

import pytest

from launch.apps.gate import Gate

HOST, OWN, ORIGIN = b"127.0.0.1:7860", b"http://127.0.0.1:7860", "https://dance.example.org"
FILE = {"path": "/app/d1/a.png", "url": "http://127.0.0.1:7860/gradio_api/file=/app/d1/a.png", "orig_name": "a.png"}


async def _ask(gate, scope, chunks):
    sent, left = [], list(chunks)

    async def receive():
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message):
        sent.append(message)

    await gate(scope, receive, send)
    return sent


def ask(method, path, body=b"", *, headers=(), chunks=None, host=HOST, origin=OWN, kind=b"application/json", full=False,
        public=None):  # fmt: skip
    """(status, headers, body that reached the app behind or None) of a request."""
    reached = []

    async def app(scope, receive, send):
        whole, more = b"", True
        while more:
            message = await receive()
            whole, more = whole + message["body"], message["more_body"]
        reached.append(whole)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-frame-options", b"ALLOWALL")]})
        await send({"type": "http.response.body", "body": b"ok"})

    def inside(path):
        return path if isinstance(path, str) and path.startswith("/app/") and ".." not in path else None

    given = [(b"host", host), (b"content-type", kind), *headers] + ([(b"origin", origin)] if origin else [])
    scope = {"type": "http", "method": method, "path": path, "headers": given}
    sent = asyncio.run(_ask(Gate(app, public, inside, 1000, lambda: full), scope, chunks or [body]))
    return sent[0]["status"], dict(sent[0]["headers"]), reached[0] if reached else None


def join(data, **options):
    body = json.dumps({"data": data, "fn_index": 3, "session_hash": "abc"}).encode()
    status, _, reached = ask("POST", "/gradio_api/queue/join", body, **options)
    assert reached in (None, body)
    return status


@pytest.mark.parametrize(
    "path",
    ["/", "/config", "/theme.css", "/assets/index-Dph.js", "/static/img/logo.svg", "/gradio_api/heartbeat/abc",
     "/gradio_api/queue/data", "/gradio_api/file=/app/d1/photo.png", "/gradio_api/startup-events"],
)  # fmt: skip
def test_the_page_and_its_parts_are_given_with_headers_that_close_it(path):
    status, headers, _ = ask("GET", path, origin=None)
    assert status == 200 and headers[b"x-frame-options"] == b"DENY"
    assert b"default-src 'self'" in headers[b"content-security-policy"]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/gradio_api/info"), ("GET", "/gradio_api/proxy=http://x"), ("GET", "/gradio_api/runs"), ("GET", "/docs"),
     ("GET", "/monitoring"), ("GET", "/gradio_api/stream/a/b"), ("POST", "/gradio_api/run/predict"), ("PUT", "/"),
     ("POST", "/gradio_api/call/make"), ("POST", "/gradio_api/process_recording"), ("POST", "/login"), ("OPTIONS", "/"),
     ("POST", "/gradio_api/component_server"), ("DELETE", "/gradio_api/upload"), ("GET", "/static/../../etc/passwd\n")],
)  # fmt: skip
def test_no_other_route_is_there(method, path):
    assert ask(method, path)[0::2] == (404, None)


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "https://example.org/a.png", "/app/../etc/passwd", "relative", "http://127.0.0.1:22/"]
)
def test_files_from_outside_are_not_given(path):
    assert ask("GET", f"/gradio_api/file={path}")[0::2] == (403, None)


def test_other_names_and_other_sites_pages_are_refused():
    assert ask("GET", "/", host=b"evil.example.org")[0] == 421
    assert ask("GET", "/", host=b"localhost:1234")[0] == ask("GET", "/", host=b"[::1]:7860")[0] == 200
    for origin in (b"https://evil.example.org", b"null", None, b"http://127.0.0.1:7861", b"https://127.0.0.1:7860"):
        assert join([1], origin=origin) == 403
        assert ask("POST", "/gradio_api/upload", origin=origin)[0] == 403
        assert ask("POST", "/gradio_api/cancel", b"{}", origin=origin)[0] == 403
    assert join([1]) == 200


def test_an_origin_that_was_named_is_let_in_and_no_other():
    public = {"host": b"dance.example.org", "public": ORIGIN}
    assert join([1], origin=ORIGIN.encode(), **public) == 200
    assert join([1], origin=b"http://dance.example.org", **public) == 403
    assert join([1], host=b"other.example.org", origin=ORIGIN.encode(), public=ORIGIN) == 421


def test_a_file_that_was_uploaded_may_be_named():
    assert join([FILE, 3, None, {"path": "/app/d1/song.mp3", "url": None, "meta": {"_type": "gradio.FileData"}}]) == 200


@pytest.mark.parametrize(
    "file",
    [{"path": "/etc/passwd"}, {"path": "https://example.org/a.png"}, {"path": "/app/../etc/passwd"}, {"path": None},
     {"url": "https://example.org/a.png"}, {"path": "/app/a.png", "url": "http://169.254.169.254/latest/"},
     {"path": "/app/a.png", "url": "data:image/png;base64,AAAA"}, {"path": "/app/a.png", "url": 3},
     {"path": ["/app/a"]}, {"meta": {"_type": "gradio.FileData"}}, {"path": "http://127.0.0.1:7860/gradio_api/file=/app/a.png"}],
)  # fmt: skip
@pytest.mark.parametrize("wrap", [lambda file: file, lambda file: [[file]], lambda file: {"value": {"deep": [file]}}])
def test_a_file_from_outside_never_reaches_gradio(file, wrap):
    assert join([wrap(file)]) == 400


def test_bodies_are_json_of_a_size():
    assert join([1], kind=b"text/plain") == 415
    assert ask("POST", "/gradio_api/queue/join", b"{no")[0::2] == (400, None)
    assert ask("POST", "/gradio_api/queue/join", b"[" * 30_000)[0::2] == (400, None)
    assert join(["x" * 70_000]) == 413
    assert ask("POST", "/gradio_api/queue/join", chunks=[b" " * 30_000] * 3)[0::2] == (413, None)


def test_uploads_are_limited_whether_they_say_their_length_or_not():
    def upload(size, **options):
        return ask("POST", "/gradio_api/upload", b"x" * size, kind=b"multipart/form-data", **options)[0]

    assert upload(1000) == 200
    assert upload(6000) == 413 and upload(0, chunks=[b"x" * 3000] * 2) == 413
    assert upload(10, headers=[(b"content-length", b"6000")]) == 413
    assert upload(10, headers=[(b"content-length", b"9" * 40)]) == 413
    assert upload(10, full=True) == 507


def test_web_sockets_are_closed_and_life_goes_on():
    seen, sent = [], []

    async def app(scope, receive, send):
        seen.append(scope["type"])

    async def send(message):
        sent.append(message["type"])

    gate = Gate(app, None, lambda path: None, 1, lambda: False)
    for kind in ("websocket", "lifespan"):
        asyncio.run(gate({"type": kind}, None, send))
    assert (seen, sent) == (["lifespan"], ["websocket.close"])
