"""Damaged files: a result or one line that names the file, within 20 s and 2 GB. See tests/fuzz.py.

60 s in all, or XDANCER_FUZZ_SECONDS; another XDANCER_FUZZ_SEED damages other bytes.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests import fuzz

ROOT = Path(__file__).parents[2]
SECONDS = float(os.environ.get("XDANCER_FUZZ_SECONDS", 60))
SEED = os.environ.get("XDANCER_FUZZ_SEED", "0")


@pytest.mark.process
@pytest.mark.parametrize("kind", fuzz.KINDS)
def test_damaged_files_give_a_result_or_one_line(tmp_path, kind):
    seconds = SECONDS / len(fuzz.KINDS)
    flags = [f"--seconds={seconds}", f"--seed={SEED}", f"--keep={tmp_path}"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", kind, *flags], cwd=ROOT, capture_output=True, text=True,
        timeout=seconds + 200,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.returncode}: {done.stdout[-3000:]}\n{done.stderr[-3000:]}\nfiles: {tmp_path}"
    counts = json.loads(done.stdout.splitlines()[-1])
    assert counts["refused"] > 5 and counts["read"] > 5


def test_what_a_reader_must_not_do_is_seen(tmp_path, monkeypatch):
    path = tmp_path / "a.png"

    def raising(error):
        def read(kind, path):
            raise error

        return read

    for error, seen in (
        (ValueError(f"{path}: not one"), ""),
        (OSError(5, "cannot read", str(path)), ""),
        (ValueError("no name"), "ValueError that is not one line with the file's name: no name"),
        (ValueError(f"{path}: two\nlines"), "ValueError that is not one line with the file's name"),
        (KeyError("HEIF"), "KeyError: 'HEIF'"),
        (MemoryError(), "MemoryError: "),
    ):
        monkeypatch.setattr(fuzz, "read", raising(error))
        found = fuzz.fault("images", path)
        assert found.startswith(seen) and bool(found) == bool(seen)
    monkeypatch.setattr(fuzz, "read", lambda kind, path: False)
    assert fuzz.fault("images", path) == "no error, and no result either"


def _work(seconds):
    end = time.process_time() + seconds / 2
    while time.process_time() < end:
        pass


@pytest.mark.parametrize(("number", "hang"), [(signal.SIGALRM, time.sleep), (signal.SIGPROF, _work)])
def test_a_hang_ends(tmp_path, monkeypatch, number, hang):
    called = []
    both = (signal.SIGALRM, signal.SIGPROF)
    monkeypatch.setattr(fuzz, "SLOWEST", 1)
    monkeypatch.setattr(fuzz, "read", lambda kind, path: hang(4) or True)
    before = [signal.signal(each, lambda got, _: called.append(got)) for each in both]
    try:
        assert fuzz.fault("images", tmp_path / "a.png") is None
    finally:
        for each, handler in zip(both, before, strict=True):
            signal.signal(each, handler)
    assert number in called  # where nobody handles the signal, it kills the process


def test_damage_is_damage_and_the_seed_decides(tmp_path):
    content = np.random.default_rng(0).bytes(2000)
    made = [fuzz.damaged(content, random.Random(seed)) for seed in range(300)]
    assert made == [fuzz.damaged(content, random.Random(seed)) for seed in range(300)]
    assert np.mean([one != content for one in made]) > 0.9
    assert min(map(len, made)) < 1000 < 2000 < max(map(len, made))
    assert isinstance(fuzz.damaged(b"", random.Random(0)), bytes)
    text = b'{"a": [1, 2.5, {"b": "c"}], "d": -3}'
    valid = 0
    for seed in range(100):
        try:
            valid += json.loads(fuzz.damaged_text(text, random.Random(seed))) != json.loads(text)
        except ValueError:
            continue
    assert valid > 20
    np.savez(tmp_path / "a.npz", x=np.arange(99), y=np.ones(3))
    whole = 0
    for seed in range(100):
        (tmp_path / "b.npz").write_bytes(fuzz.damaged_archive((tmp_path / "a.npz").read_bytes(), random.Random(seed)))
        try:
            with zipfile.ZipFile(tmp_path / "b.npz") as archive:
                whole += archive.testzip() is None
        except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError, EOFError, RuntimeError):
            continue
    assert whole > 40
