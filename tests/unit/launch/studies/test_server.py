import http.client
import json
import socket
import threading

import pytest

from launch.studies import handler, server, serving
from launch.studies import key as keys
from launch.studies.limits import Bucket
from tests import studies


@pytest.fixture
def up(study):
    with studies.served(study) as made:
        yield made


def ask(up, method, path, body=None, **headers):
    """Status, headers and body."""
    connection = http.client.HTTPConnection(*up.server_address[:2], timeout=10)
    connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, answer.headers, content


def post(up, records, **changes):
    here = f"http://127.0.0.1:{up.server_address[1]}"
    headers = {"Content_Type": "application/json", "Origin": here, "X_Study_Token": up.token} | changes
    body = records if isinstance(records, (str, bytes)) else json.dumps(records)
    status, _, content = ask(up, "POST", "/answers", body, **{k: v for k, v in headers.items() if v is not None})
    return status, json.loads(content)


def stored(study):
    return (study / "answers" / "served.jsonl").read_text()


def test_the_page_and_its_media_are_given_and_nothing_else(up, study):
    for path in ("/", "/index.html", "/?rater=x", "/study.js", "/keeping.js", "/study.css"):
        status, headers, content = ask(up, "GET", path)
        assert status == 200 and headers["Content-Type"].startswith("text/") and len(content) > 1000
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff" and headers["X-Frame-Options"] == "DENY"
    video = next((study / "page" / "media").iterdir())
    assert ask(up, "GET", f"/media/{video.name}")[2] == video.read_bytes()
    (study / "page" / "secret.txt").write_text("x")
    for path in (
        "/key.json", "/../key.json", "/media/../../key.json", "/%2e%2e/key.json", "/media/%2e%2e%2f%2e%2e%2fkey.json",
        "//etc/passwd", "/media/", "/media", "/secret.txt", "/answers/served.jsonl", "/answers", "/media/..\\key.json",
    ):  # fmt: skip
        status, _, content = ask(up, "GET", path)
        assert status == 404 and b"ours" not in content, path


def test_players_get_the_part_that_they_ask_for(up, study):
    video = next((study / "page" / "media").iterdir())
    content, path = video.read_bytes(), f"/media/{video.name}"
    status, headers, part = ask(up, "GET", path, Range="bytes=10-19")
    assert (status, part, headers["Content-Range"]) == (206, content[10:20], f"bytes 10-19/{len(content)}")
    assert ask(up, "GET", path, Range=f"bytes={len(content)}-")[0] == 416
    status, headers, part = ask(up, "HEAD", path)
    assert (status, part, headers["Content-Type"]) == (200, b"", "video/mp4")
    assert headers["Content-Length"] == str(len(content))


def test_answers_are_stored_as_lines(up, study):
    key = up.key
    first = [studies.record(key, question=question) for question in key.questions]
    assert post(up, first) == (200, {"stored": 5})
    assert post(up, [studies.record(key, rater="r2")]) == (200, {"stored": 1})
    lines = stored(study).splitlines()
    assert [json.loads(line) for line in lines] == [*first, studies.record(key, rater="r2")]


def test_two_raters_at_once_lose_nothing(up, study):
    names = [f"r{n}" for n in range(6)]
    told = []

    def rate(rater):
        told.extend(post(up, [studies.record(up.key, name, rater=rater)])[0] for name in ("one", "two", "three"))

    threads = [threading.Thread(target=rate, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [200] * 18
    assert sorted(json.loads(line)["rater"] for line in stored(study).splitlines()) == sorted(names * 3)


@pytest.mark.parametrize(("changes", "status"), [
    ({"Origin": None}, 403), ({"Origin": "https://evil.example"}, 403), ({"Origin": "null"}, 403),
    ({"Origin": "http://127.0.0.1:1"}, 403), ({"X_Study_Token": None}, 403), ({"X_Study_Token": "x"}, 403),
    ({"X_Study_Token": "\xe9"}, 403), ({"Host": "evil.example"}, 421),
    ({"Host": "evil.example", "Origin": "http://evil.example"}, 421),
    ({"Content_Type": "text/plain"}, 415), ({"Content_Type": "application/x-www-form-urlencoded"}, 415),
    ({"Content_Length": "x"}, 411), ({"Content_Length": "-5"}, 411), ({"Content_Length": "9" * 30}, 413),
    ({"Transfer_Encoding": "chunked"}, 411),
])  # fmt: skip
def test_what_another_page_sends_is_refused(up, study, changes, status):
    assert post(up, [studies.record(up.key)], **changes)[0] == status
    assert stored(study) == ""


def test_bodies_that_are_no_answers_are_refused(up, study, monkeypatch):
    good = studies.record(up.key)
    for body in (b"", b"{", b"\xff\xfe", b"[NaN]", b"[" * 50_000, good, [], [good] * 51, [good, good | {"rater": ".."}],
                 [good | {"item": "../key"}], [3], "null"):  # fmt: skip
        status, told = post(up, body)
        assert status == 400 and told["error"], body
    assert post(up, b" " * 200_000)[0] == 413
    assert ask(up, "POST", "/other", "x")[0] == 404 and ask(up, "PUT", "/answers", "x")[0] == 501
    assert stored(study) == "" and post(up, [good])[0] == 200


def test_a_request_that_stops_in_the_middle_holds_nobody_up(up, study, monkeypatch):
    monkeypatch.setattr(handler.Handler, "timeout", 0.2)
    head = f"POST /answers HTTP/1.1\r\nHost: localhost\r\nOrigin: http://localhost\r\nX-Study-Token: {up.token}\r\n"
    head += "Content-Type: application/json\r\nContent-Length: 100\r\n\r\n[{"
    with socket.create_connection(up.server_address[:2], timeout=10) as slow:
        slow.sendall(head.encode())
        assert post(up, [studies.record(up.key)])[0] == 200
        slow.shutdown(socket.SHUT_WR)
        assert b" 400 " in slow.recv(1000)
    with socket.create_connection(up.server_address[:2], timeout=10) as slow:
        slow.sendall(head.encode())
        assert slow.recv(1000) == b""  # the server hangs up
    assert len(stored(study).splitlines()) == 1 and not up.lines


def test_too_many_requests_wait(up):
    up.bucket = Bucket(0, 2)
    assert [post(up, [studies.record(up.key)])[0] for _ in range(3)] == [200, 200, 429]


def test_a_full_disk_is_told_and_later_answers_are_stored(up, study, monkeypatch):
    def full(file):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as while_full:
        while_full.setattr("os.fsync", full)
        assert post(up, [studies.record(up.key)]) == (507, {"error": "cannot be stored now"})
    assert up.lines == ["answers cannot be stored, raters' pages try again: No space left on device"]
    assert stored(study) == ""
    assert post(up, [studies.record(up.key)])[0] == 200 and len(stored(study).splitlines()) == 1


def test_a_server_that_starts_again_goes_on_and_has_another_token(study):
    with studies.served(study) as first:
        assert post(first, [studies.record(first.key)])[0] == 200
        token = json.loads(ask(first, "GET", "/session")[2])["token"]
    with (study / "answers" / "served.jsonl").open("a") as file:
        file.write('{"study":')
    with studies.served(study) as second:
        assert post(second, [studies.record(second.key)], X_Study_Token=token)[0] == 403
        told = json.loads(ask(second, "GET", "/session")[2])
        assert told["study"] == second.key.study
        assert post(second, [studies.record(second.key)], X_Study_Token=told["token"])[0] == 200
    assert len(stored(study).splitlines()) == 2 and [json.loads(line) for line in stored(study).splitlines()]


def test_behind_a_proxy_the_public_origin_is_the_page(study):
    with studies.served(study, origin="https://study.example") as up:
        public = {"Host": "study.example", "Origin": "https://study.example"}
        assert post(up, [studies.record(up.key)], **public)[0] == 200
        assert post(up, [studies.record(up.key)], **public | {"Origin": "http://study.example.org"})[0] == 403
        assert post(up, [studies.record(up.key)], **public | {"Origin": "http://study.example"})[0] == 403
        assert post(up, [studies.record(up.key)], Host="other.example")[0] == 421
        assert post(up, [studies.record(up.key)])[0] == 200  # from this machine itself


def test_addresses_for_others_need_an_origin(study, key):
    for host, origin, told in (
        ("0.0.0.0", None, "--host=0.0.0.0: others may reach it; give --origin too"),
        ("127.0.0.1", "study.example", "--origin=study.example: write it as https://HOST"),
    ):
        with pytest.raises(ValueError, match=told):
            server.start(key, str(study), None, host, 0, origin)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="cannot listen there"):
        server.start(keys.load(str(study)), str(study), None, "127.0.0.1", taken.getsockname()[1], None)
    next((study / "page" / "media").iterdir()).unlink()
    with pytest.raises(FileNotFoundError, match="no such file; make the study anew"):
        server.start(keys.load(str(study)), str(study), None, "127.0.0.1", 0, None)


def test_one_server_at_a_time_has_a_study(study, monkeypatch):
    monkeypatch.setattr(server.Server, "serve_forever", lambda self: None)
    (study / "answers" / "served.jsonl").write_text('{"study":')
    first = serving.serve(str(study), "127.0.0.1", 0, None)
    assert "a last line that was cut off is taken out (9 bytes)" in next(first)
    assert next(first).startswith("raters open http://127.0.0.1:")
    with pytest.raises(ValueError, match="serves this study; raters can use that one, or stop it first"):
        next(serving.serve(str(study), "127.0.0.1", 0, None))
    assert not list(first)
    assert next(serving.serve(str(study), "::1", 0, None)).startswith("raters open http://[::1]:")
