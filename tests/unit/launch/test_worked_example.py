"""The stage that docs/design.md adds as an example is added, trained and evaluated, with the text of that page."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
FILES = ("xdancer_jax/models/smoother.py", "xdancer_jax/stages/smoother.py", "configs/smoother.py",
         "launch/stages/smoother.py")


@pytest.mark.process
def test_the_stage_of_the_design_page_trains(data, trained, tmp_path):
    text = (ROOT / "docs" / "design.md").read_text()
    section = text[text.index("## To add a stage") : text.index("## Tooling")]
    blocks = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    for package in ("configs", "data_pipeline", "launch", "xdancer_jax"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, block in zip(FILES, blocks, strict=True):
        assert f"**{FILES.index(name) + 1}. {name}**" in section
        (tmp_path / name).write_text(block)

    def command(module, *arguments):
        done = subprocess.run(
            [sys.executable, "-m", module, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False,
            env=os.environ | {"XDANCER_TYPECHECK": "1"},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    command(
        "launch.train", "--config=configs/smoother.py:tiny", "--workdir=smoother", f"--config.data.dir={data}",
        f"--config.parts.tokenizer.source=run:{trained}", "--config.steps=3", "--config.log_every=1",
        "--config.batch_size=2",
    )
    lines = [json.loads(line) for line in (tmp_path / "smoother" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3] and lines[0]["loss"] == lines[0]["rough"]  # it starts at zero
    assert "full_body/ratio" in command("launch.evaluate", "--run=smoother", f"--data={data}")
