"""One training a work directory, where there are no locks."""

import datetime
import json
import os
import subprocess
import sys
import time

import pytest

from xdancer_jax import paths
from xdancer_jax.train import lease, lock

WORKDIR = "gs://bucket/run"


def test_a_second_training_is_refused_until_the_first_has_ended(store):
    with lock.held(WORKDIR):
        told = f"{WORKDIR}: process {os.getpid()} on .* is training there; wait .* start again in 1[45][0-9] s"
        with pytest.raises(ValueError, match=told), lock.held(WORKDIR):
            raise AssertionError
        with lock.held("gs://bucket/other"):
            assert store.names("bucket") == ["other/lock", "run/lock"]
    assert store.names("bucket") == []
    with pytest.raises(FloatingPointError), lock.held(WORKDIR):
        raise FloatingPointError
    assert store.names("bucket") == []


def left(store, seconds, **holder):
    """A lease that was last renewed `seconds` ago."""
    store.put("bucket", "run/lock", json.dumps({"process": 1, "host": "other", "processes": "x"} | holder).encode())
    store.objects["bucket"]["run/lock"].updated -= datetime.timedelta(seconds=seconds)


def test_a_lease_lasts_two_and_a_half_minutes(store, caplog):
    left(store, 140)
    with pytest.raises(ValueError, match="process 1 on other is training there"), lock.held(WORKDIR):
        raise AssertionError
    left(store, 155)
    with caplog.at_level("WARNING", "xdancer_jax"), lock.held(WORKDIR):
        assert json.loads(store.objects["bucket"]["run/lock"].data)["process"] == os.getpid()
    assert "run/lock: left by process 1 on other, last renewed 15" in caplog.text and "taken over" in caplog.text


def test_of_two_that_take_over_at_once_one_is_refused(store, monkeypatch):
    left(store, 1000)
    described = paths.described

    def slow(path):
        found = described(path)
        store.put("bucket", "run/lock", b"{}")  # the other one is faster
        return found

    monkeypatch.setattr(lease.paths, "described", slow)
    with pytest.raises(ValueError, match="another training took it at the same moment"), lock.held(WORKDIR):
        raise AssertionError
    assert store.objects["bucket"]["run/lock"].data == b"{}"


@pytest.mark.process
def test_the_lease_of_a_killed_process_of_this_machine_is_free(store):
    code = f"""import time
from xdancer_jax.train import lock
with lock.held({WORKDIR!r}):
    print("held", flush=True)
    time.sleep(60)"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(ValueError, match=f"process {other.pid} on"), lock.held(WORKDIR):
            raise AssertionError
        other.kill()
    with lock.held(WORKDIR):
        pass


def test_what_is_no_lease_counts_by_its_age(store):
    store.put("bucket", "run/lock", b"[1]")
    with pytest.raises(ValueError, match="is training there"), lock.held(WORKDIR):
        raise AssertionError
    store.objects["bucket"]["run/lock"].updated -= datetime.timedelta(hours=1)
    with lock.held(WORKDIR):
        pass


def until(true):
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_it_is_renewed_and_a_lost_one_is_told_and_left_alone(store, monkeypatch, caplog):
    monkeypatch.setattr(lease, "_RENEWED", 0.02)
    with lock.held(WORKDIR):
        first = store.objects["bucket"]["run/lock"].generation
        until(lambda: store.objects["bucket"]["run/lock"].generation > first + 2)
        store.broken = "POST"
        until(lambda: "the lease could not be renewed" in caplog.text)
        store.broken = ""
        second = store.objects["bucket"]["run/lock"].generation
        until(lambda: store.objects["bucket"]["run/lock"].generation > second)
        store.put("bucket", "run/lock", b"another's")
        until(lambda: "another one has its work directory now" in caplog.text)
    assert store.objects["bucket"]["run/lock"].data == b"another's"


def test_a_bucket_that_is_not_there_is_one_line(store):
    with pytest.raises(OSError, match="gs://none/run/lock: no bucket gs://none"), lock.held("gs://none/run"):
        raise AssertionError


def test_a_store_that_takes_nothing_is_one_line(store):
    store.broken = "POST"
    with pytest.raises(OSError, match="run/lock: the store does not answer .*: Forbidden"), lock.held(WORKDIR):
        raise AssertionError
