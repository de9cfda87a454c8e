"""Every benchmark's main, up to its first check: what it calls is there, and bad output is refused before long work."""

import os
import subprocess
import sys

import pytest

from tests import command_line

MAINS = {
    "accelerator": (), "motion": (), "state_bytes": (), "video": (), "video_metrics": (), "evaluation": (),
    "tokenizer_parts": ("--data=nothing",), "data": (), "trainer": (), "diffusion": (),
    "toy_model": ("--clips=nothing",),
    "finetune": ("--run=nothing", "--data=nothing", "--choreography=nothing"),
}


@pytest.mark.process  # their flags have the same names, and some begin anew with another allocator
@pytest.mark.parametrize("name", MAINS)
def test_a_folder_that_is_not_there_is_named(name, tmp_path):
    if name in ("motion", "video"):
        pytest.importorskip("diffusers", reason=f"benchmarks.{name} needs the extra parity")
    if name == "video_metrics":
        pytest.importorskip("torchvision", reason=f"benchmarks.{name} needs the extra parity")
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", f"--out={tmp_path / 'nowhere' / 'a.json'}", *MAINS[name]],
        cwd=command_line.ROOT, env=os.environ | {"JAX_PLATFORMS": "cpu"}, capture_output=True, text=True, check=False,
        timeout=120,
    )
    assert done.returncode == 1, done.stderr
    assert done.stderr.strip().endswith(f"folder {tmp_path / 'nowhere'} does not exist"), done.stderr
