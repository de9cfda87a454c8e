import subprocess
import sys
from pathlib import Path

import pytest

from configs.base import get_base


def test_fields_are_typed_and_lock():
    config = get_base()
    assert not config.is_locked
    config.lock()
    config.optimizer.learning_rate = 3e-4
    with pytest.raises(TypeError):
        config.batch_size = "64"
    with pytest.raises(AttributeError):
        config.optimizer.learing_rate = 1e-3


def test_every_field_is_explained():
    source = Path(sys.modules["configs.base"].__file__).read_text().splitlines()
    fields = [line for line in source if line.strip().startswith(("config.", "optimizer.", "checkpoint."))]
    bare = [line for line in fields if "#" not in line and not line.endswith("()")]
    assert len(fields) > 20 and not bare


def test_calls_share_nothing():
    get_base().optimizer.clip_norm = 7.0
    assert get_base().optimizer.clip_norm == 1.0


def test_configs_do_not_import_jax():
    code = "import sys, configs.base, configs.sharding; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
