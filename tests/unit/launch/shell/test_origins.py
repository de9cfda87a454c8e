import pytest

from launch.shell import origins


@pytest.mark.parametrize(("header", "here"), [
    ("localhost", True), ("localhost:80", True), ("127.0.0.1:9000", True), ("[::1]:80", True), ("[::1]", True),
    ("127.0.0.2", True), ("evil.example:80", False), ("localhost.evil.example", False), ("", False), ("0.0.0.0", False),
    ("127.0.0.1.evil.example", False), ("10.0.0.1:80", False),
])  # fmt: skip
def test_hosts_that_are_this_machine(header, here):
    assert origins.is_loopback(origins.host_of(header)) is here


@pytest.mark.parametrize(("text", "good"), [
    ("https://a.example", True), ("http://10.0.0.1:8000", True), ("https://a.example/", False), ("a.example", False),
    ("ftp://a.example", False), ("https://", False), ("https://[", False), ("https://a.example?x", False),
])  # fmt: skip
def test_what_an_origin_is(text, good):
    assert origins.is_origin(text) is good
