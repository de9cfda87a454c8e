import pytest

from launch.sweeps import checking, trials

TOKENIZER = {"config": "configs/tokenizer.py:tiny"}


def check(given, *overrides):
    checking.check(trials.plan("configs/motion.py:tiny", given, overrides))


def test_what_can_be_trained_passes(tmp_path):
    check({"data.dir": str(tmp_path)}, {"parts.tokenizer.source": TOKENIZER})


@pytest.mark.parametrize("overrides, told", [
    ({"parts.tokenizer.source": TOKENIZER, "model.dropout": 2.0}, "motion_tiny-.*: config.model.dropout=2.0: must be"),
    ({}, "motion_tiny-.*: config.parts.tokenizer.source is empty"),
    ({"parts.tokenizer.source": TOKENIZER | {"model.kernel": 0}}, "tokenizer_tiny-.*: config.model.kernel=0: must be"),
])
def test_what_training_would_refuse_is_refused_before_anything_starts(tmp_path, overrides, told):
    with pytest.raises(ValueError, match=told):
        check({"data.dir": str(tmp_path)}, overrides)


def test_a_data_set_is_needed(tmp_path):
    with pytest.raises(ValueError, match="config.data.dir is empty"):
        check({}, TOKENIZER)
    with pytest.raises(ValueError, match="no such folder; launch.prepare makes"):
        check({"data.dir": str(tmp_path / "none")}, TOKENIZER)
