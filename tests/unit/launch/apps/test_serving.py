"""The app as it listens: what a request may say, and that its files go when it ends."""

import dataclasses
import json
import os
import urllib.error
import urllib.request
import uuid

import pytest

from launch.apps import serving
from tests import command_line, small_app

pytest.importorskip("gradio", reason="the extra app is not installed: pip install 'xdancer_jax[app]'")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # Gradio's own


@pytest.fixture(scope="module")
def app(maker):
    """(visits, address); jobs wait for ever."""
    with small_app.opened(maker, works=False) as opened:
        yield opened


def send(address, path, body=None, **headers):
    """(status, body)"""
    headers = {"Origin": address, "Content-Type": "application/json"} | headers
    try:
        with urllib.request.urlopen(urllib.request.Request(address + path, body, headers), timeout=30) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except urllib.error.URLError as error:  # it was cut off while it was sent
        return 0, str(error).encode()


def upload(address, content, name="photo.png"):
    head = f'--b\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'.encode()
    body = head + content + b"\r\n--b--\r\n"
    return send(address, "/gradio_api/upload", body, **{"Content-Type": "multipart/form-data; boundary=b"})


def number(visits_app, name):
    """Of the handler in Gradio's list."""
    config = json.loads(send(visits_app[1], "/config")[1])
    return next(each["id"] for each in config["dependencies"] if each["api_name"] == name), config


def told(address, fn, data, session=None):
    """What Gradio says of a call, to its end."""
    session = session or uuid.uuid4().hex
    body = json.dumps({"data": data, "fn_index": fn, "session_hash": session}).encode()
    status, answer = send(address, "/gradio_api/queue/join", body)
    if status != 200:
        return status, answer.decode()
    request = urllib.request.Request(f"{address}/gradio_api/queue/data?session_hash={session}")
    with urllib.request.urlopen(request, timeout=30) as stream:
        for line in stream:
            if line.startswith(b"data: ") and json.loads(line[6:])["msg"] == "process_completed":
                return 200, line.decode()
    return 200, ""


def test_the_page_needs_no_other_machine(app):
    status, page = send(app[1], "/")
    assert status == 200
    config = json.loads(send(app[1], "/config")[1])
    assert config["analytics_enabled"] is False
    for part in ("/theme.css", "/config"):
        text = send(app[1], part)[1].decode()
        assert "googleapis" not in text and "cdn" not in text.lower(), part
    assert send(app[1], "/gradio_api/info")[0] == 404 and send(app[1], "/gradio_api/runs")[0] == 404


def test_payloads_that_name_files_from_outside_are_refused(app, tmp_path):
    visits, address = app
    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    fn, _ = number(app, "look")
    paths = [str(secret), "/etc/passwd", f"{visits.rooms.folder}/../{secret}", "http://127.0.0.1:1/x.png",
             "https://example.org/x.png", f"{address}/gradio_api/file={secret}"]  # fmt: skip
    for path in paths:
        for file in ({"path": path}, {"path": path, "meta": {"_type": "gradio.FileData"}}, {"url": path}):
            assert told(address, fn, [file, None])[0] == 400, file
    there = visits.rooms.folder / "d" / "x.png"
    there.parent.mkdir()
    there.write_bytes(b"x")
    for url in ("http://127.0.0.1:1/x", "data:image/png;base64,AAAA"):
        file = {"path": str(there), "url": url, "meta": {"_type": "gradio.FileData"}}
        assert told(address, fn, [file, None])[0] == 400
    for path in ("/etc/passwd", str(secret), "https://example.org/x.png", f"{visits.rooms.folder}/../../etc/passwd"):
        assert send(address, f"/gradio_api/file={path}")[0] == 403, path
    there.unlink()


def test_without_the_gate_gradio_and_the_page_still_refuse_paths_from_outside(app, tmp_path, monkeypatch):
    from launch.apps.gate import Gate

    secret = tmp_path / "secret.png"
    secret.write_bytes(b"secret")
    monkeypatch.setattr(Gate, "_read", lambda self, receive, headers: _as_it_is(receive))
    fn, _ = number(app, "look")
    for file in ({"path": str(secret), "meta": {"_type": "gradio.FileData"}}, {"path": str(secret)}):
        status, said = told(app[1], fn, [file, None])
        assert status == 200 and ("was not uploaded here" in said or '"success":false' in said.replace(" ", "")), said


async def _as_it_is(receive):
    return receive


def test_uploads_are_stored_inside_and_limited(app):
    visits, address = app
    status, answer = upload(address, b"content", "../../../evil.png")
    [path] = json.loads(answer)
    assert status == 200 and visits.rooms.inside(path) is not None
    assert send(address, f"/gradio_api/file={path}") == (200, b"content")
    visits.rooms.hold("a", "photo", visits.rooms.inside(path))
    visits.close("a")
    assert send(address, f"/gradio_api/file={path}")[0] == 403
    before = visits.rooms.used()
    assert upload(address, b"x" * (visits.limits.upload_bytes() + 10_000))[0] in (0, 413)
    assert visits.rooms.used() <= before + 100_000


def test_pages_of_other_sites_reach_nothing(app):
    for headers in ({"Origin": "https://evil.example.org"}, {"Origin": "null"}, {"Host": "evil.example.org"}):
        status, _ = send(app[1], "/gradio_api/queue/join", b"{}", **headers)
        assert status in (403, 421), headers


def test_its_folder_goes_with_the_app(maker):
    before = {name: os.environ.get(name) for name in ("GRADIO_TEMP_DIR", "GRADIO_EXAMPLES_CACHE")}
    with small_app.opened(maker, works=False) as (visits, address):
        upload(address, b"content")
        folder = visits.rooms.folder
        assert folder.stat().st_mode & 0o077 == 0 and any(folder.iterdir())
    assert not folder.exists()
    assert {name: os.environ.get(name) for name in before} == before


def test_the_toy_models_page_says_what_it_cannot(app, maker):
    def page(address):
        return urllib.request.urlopen(f"{address}/config", timeout=30).read().decode()

    with small_app.opened(dataclasses.replace(maker, toy=True), works=False) as (_, address):
        assert "it has seen drawn dancers alone, and paints no people" in page(address)
    assert "drawn dancers" not in page(app[1])


def test_a_taken_port_is_one_line(app, maker):
    port = int(app[1].rsplit(":", 1)[1])
    place = serving.Place("127.0.0.1", port, None)
    with pytest.raises(OSError, match=f"--port={port}: cannot listen there"):
        list(serving.serve(maker, place, small_app.SIZE))


def test_without_runs_the_toy_model_is_served(app):
    done = command_line.run("launch.app", f"--port={app[1].rsplit(':', 1)[1]}")
    assert done.returncode == 1 and "cannot listen there" in done.stderr
    assert "shipped/motion and" in done.stdout


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--runs=nowhere",), "nowhere/motion: no such directory"),
        (("--runs=r", "--host=0.0.0.0"), "--host=0.0.0.0: others may reach it; give --origin too"),
        (("--runs=r", "--origin=dance.example.org"), "--origin=dance.example.org: write it as https://HOST"),
        (("--runs=r", "--port=70000"), "--port=70000"), (("--runs=r", "--max_seconds=0"), "--max_seconds=0"),
    ],
)
def test_bad_flags_are_one_line(flags, said):
    done = command_line.run("launch.app", *flags)
    assert done.returncode == 1 and said in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_a_photo_may_be_as_odd_as_it_likes(app):
    fn, _ = number(app, "look")
    _, answer = upload(app[1], b"no image", "x.svg")
    [path] = json.loads(answer)
    file = {"path": path, "orig_name": "x.svg", "meta": {"_type": "gradio.FileData"}}
    status, said = told(app[1], fn, [file, None])
    assert status == 200 and "not a readable image" in said and 'role=\\"alert\\"' in said
