import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from launch.shell import memory

# Prints the median of the page faults of steps, each of which takes 100 MB, in pages of 4 KiB, and frees them: more
# than glibc keeps by itself, and than the heap of any arena but the main thread's holds. On a busy machine the heap
# grows in more than the first step.
STEPS = """
import resource
import statistics

import jax
import jax.numpy as jnp

from launch.shell import cli


def main(argv):
    step, x, faults = jax.jit(lambda x: x + 1), jnp.ones(25_000_000), []
    for _ in range(20):
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        step(x).block_until_ready()
        faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    print(statistics.median(faults))


cli.run(main)
"""


@pytest.mark.process
def test_a_step_of_a_command_faults_no_pages_in_anew(tmp_path):
    script = tmp_path / "steps.py"
    script.write_text(STEPS)
    environment = {k: v for k, v in os.environ.items() if k != "GLIBC_TUNABLES"}
    environment |= {"PYTHONPATH": str(Path(memory.__file__).parents[2]), "JAX_PLATFORMS": "cpu"}
    found = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, check=True)
    assert float(found.stdout) < 1000


@pytest.mark.parametrize(("platforms", "installed", "kept"), [
    (None, None, True), (None, "libtpu", False), (None, "jax_plugins", False), ("cpu", "libtpu", True),
    ("cuda,cpu", None, False),
])
def test_memory_is_kept_where_jax_computes_on_cpus_alone(platforms, installed, kept, monkeypatch):
    calls, updates = [], {}
    libc = SimpleNamespace(mallopt=lambda *setting: calls.append(setting))
    config = SimpleNamespace(jax_platforms=platforms, update=updates.__setitem__)
    monkeypatch.setattr(memory, "ctypes", SimpleNamespace(CDLL=lambda _: libc))
    monkeypatch.setattr(memory, "jax", SimpleNamespace(config=config))
    monkeypatch.setattr(memory.platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(memory.importlib.metadata, "entry_points", lambda group: ())
    monkeypatch.setattr(memory.importlib.util, "find_spec", lambda name: name if name == installed else None)
    memory.keep_freed()
    assert bool(calls) == kept
    assert updates == ({"jax_cpu_enable_async_dispatch": False} if kept else {})
