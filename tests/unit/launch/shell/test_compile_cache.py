import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from launch.shell import compile_cache

MACHINE = compile_cache._machine()


@pytest.fixture
def settings(monkeypatch):
    """What is changed of JAX's settings, which stay as they are; no environment says otherwise."""
    changed = {}
    monkeypatch.setattr(jax.config, "update", changed.__setitem__)
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.delenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS")
    return changed


@pytest.mark.parametrize("workdir, configured, folder", [
    ("out/run", "", "out/compile_cache"), ("run", "", "compile_cache"), ("out/run/", "", "out/compile_cache"),
    ("out/run", "elsewhere/cache", "elsewhere/cache"),
])
def test_the_folder_is_beside_the_run_or_where_the_config_says(
    tmp_path, monkeypatch, settings, workdir, configured, folder
):
    monkeypatch.chdir(tmp_path)
    found = compile_cache.enable(workdir, configured)
    assert Path(found).absolute() == tmp_path / folder / MACHINE and Path(found).is_dir()
    assert settings == {
        "jax_compilation_cache_dir": found, "jax_persistent_cache_min_compile_time_secs": 0.1}
    assert not list(Path(found).iterdir())


def test_none_keeps_no_programs(tmp_path, settings):
    assert compile_cache.enable(str(tmp_path / "run"), "none") == ""
    assert "jax_compilation_cache_dir" not in settings and not list(tmp_path.iterdir())


def test_the_environment_comes_first(tmp_path, settings, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/theirs")
    monkeypatch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "3")
    assert compile_cache.enable(str(tmp_path / "run"), "elsewhere") == "/theirs"
    assert settings == {} and not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_a_warning(tmp_path, settings, caplog):
    (tmp_path / "file").touch()
    assert compile_cache.enable(str(tmp_path / "run"), str(tmp_path / "file")) == ""
    assert "jax_compilation_cache_dir" not in settings
    assert caplog.text.count("no compile cache, programs are compiled anew: Not a directory") == 1


def _start(workdir: Path) -> tuple[int, int, str]:
    """(programs found in the cache, programs looked for, stderr) of a new process that compiles two of them."""
    code = (
        "import collections, jax, jax.numpy as jnp\nfrom launch.shell import compile_cache\n"
        f"compile_cache.enable({str(workdir)!r}, '')\nseen = collections.Counter()\n"
        "jax.monitoring.register_event_listener(lambda name, **_: seen.update([name.rsplit('/', 1)[1]]))\n"
        "x = jnp.ones((8, 8))\n"
        "for number in range(2):\n    jax.jit(lambda x: jnp.tanh(x @ x) + number)(x).block_until_ready()\n"
        "print(seen['cache_hits'], seen['compile_requests_use_cache'])\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[4], env=environment, capture_output=True, text=True,
        check=True,
    )
    hits, looked = map(int, done.stdout.split())
    return hits, looked, done.stderr


@pytest.mark.process
def test_a_second_start_finds_every_program_and_a_torn_one_is_compiled_anew(tmp_path):
    hits, looked, _ = _start(tmp_path / "first")
    assert hits == 0 and looked > 2
    assert _start(tmp_path / "second")[:2] == (looked, looked)
    [torn, *_] = (tmp_path / "compile_cache").rglob("*-cache")
    torn.write_bytes(torn.read_bytes()[:100])
    hits, _, stderr = _start(tmp_path / "second")
    assert hits == looked - 1 and "Error reading persistent compilation cache entry" in stderr
