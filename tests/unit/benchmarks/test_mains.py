"""Every benchmark's main, up to its first check: what it calls is there, and bad output is refused before long work."""

import pytest

from tests import command_line

MAINS = {
    "accelerator": (), "motion": (), "state_bytes": (), "tpu_compile": (), "tokenizer_parts": ("--data=nothing",),
    "finetune": ("--run=nothing", "--data=nothing", "--choreography=nothing"),
}


@pytest.mark.parametrize("name", MAINS)
def test_a_folder_that_is_not_there_is_named(name, tmp_path):
    if name == "motion":
        pytest.importorskip("torch", reason="benchmarks.motion needs the extra parity")
    done = command_line.run(f"benchmarks.{name}", f"--out={tmp_path / 'nowhere' / 'a.json'}", *MAINS[name])
    assert done.returncode == 1 and done.stderr.strip().endswith(f"folder {tmp_path / 'nowhere'} does not exist")
