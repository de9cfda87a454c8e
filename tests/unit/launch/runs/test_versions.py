import json
import platform
import subprocess

import jax
import numpy as np
import pytest

from launch.runs import agreement, versions


def test_what_computes_is_told(monkeypatch):
    jax.devices()  # started before: a flag that XLA does not know ends the process
    monkeypatch.setenv("XLA_FLAGS", "--xla_some_flag")
    monkeypatch.delenv("LIBTPU_INIT_ARGS", raising=False)
    found = versions.found()
    assert json.loads(json.dumps(found)) == found
    assert found["code"] == agreement.code_version() and found["python"] == platform.python_version()
    assert found["packages"]["jax"] == jax.__version__ and found["packages"]["numpy"] == np.__version__
    assert {"jaxlib", "flax", "optax", "orbax-checkpoint", "grain"} <= set(found["packages"])
    assert found["flags"] == {"XLA_FLAGS": "--xla_some_flag", "LIBTPU_INIT_ARGS": ""}
    assert found["platform"] == "cpu" and found["devices"] == {"cpu": jax.device_count()} and found["processes"] == 1


@pytest.mark.process
def test_the_commit_says_whether_files_differ(tmp_path, monkeypatch):
    def git(*words):
        subprocess.run(["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b", *words], check=True)

    monkeypatch.setattr(versions, "__file__", str(tmp_path / "launch" / "runs" / "versions.py"))
    assert versions._commit() == ""
    git("init", "-q")
    assert versions._commit() == ""  # no commit yet
    (tmp_path / "file").write_text("one")
    git("add", "file")
    git("commit", "-q", "-m", "first")
    commit = versions._commit()
    assert len(commit) == 40
    (tmp_path / "file").write_text("two")
    assert versions._commit() == f"{commit}+"
