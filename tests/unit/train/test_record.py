import json

import pytest

from xdancer_jax.train import record

RUN = {"stage": "toy", "config": {"name": "toy", "a": (2,)}}


def test_config_is_replaced_whole(tmp_path):
    assert not record.exists(tmp_path)
    record.write(tmp_path, RUN)
    record.write(tmp_path, RUN | {"facts": {"x": "1"}})
    assert record.exists(tmp_path)
    content = record.read(tmp_path, "toy")
    assert content == {"format": 3, "stage": "toy", "config": {"name": "toy", "a": [2]}, "facts": {"x": "1"}}
    assert [entry.name for entry in tmp_path.iterdir()] == ["config.json"]


def test_errors_name_the_path_and_what_is_there(tmp_path):
    with pytest.raises(ValueError, match="nowhere: no such directory; expected the work directory of a toy run"):
        record.read(tmp_path / "nowhere", "toy")
    (tmp_path / "photo.png").touch()
    with pytest.raises(ValueError, match=r"config.json: not found.*photo.png"):
        record.read(tmp_path)
    record.write(tmp_path, RUN)
    with pytest.raises(ValueError, match="config.json: stage is 'toy', expected 'motion'"):
        record.read(tmp_path, "motion")


@pytest.mark.parametrize("content", [
    "{", "{}", "[1]", "3", '"x"', "null", '{"stage": "toy", "config": 3}', '{"stage": 3, "config": {"name": "toy"}}',
    '{"stage": "toy", "config": {"name": []}}', '{"stage": "toy", "config": {"name": "toy"}, "facts": []}',
    '{"stage": "toy", "config": {"name": "toy"}, "facts": {"a": 3}}',
    '{"stage": "toy", "config": {"name": "toy"}, "changes": {}}',
    '{"stage": "toy", "config": {"name": "toy"}, "changes": [3]}',
    '{"format": 3, "stage": "toy", "config": {"name": "other"}}', "[" * 100_000, '{"a":' * 100_000,
    '{"stage": "toy", "config": {"name": "toy", "a": ' + "[" * 60 + "]" * 60 + "}}", "9" * 5_000, "",
])
def test_a_damaged_config_is_named(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ValueError, match="config.json: not the config of a run .*; restore it or train anew$") as told:
        record.read(tmp_path)
    assert len(str(told.value)) < 500 and "\n" not in str(told.value)


def test_a_config_that_is_not_utf8_is_named(tmp_path):
    (tmp_path / "config.json").write_bytes(b'{"stage": "\xff"}')
    with pytest.raises(ValueError, match="config.json: not the config of a run .*utf-8"):
        record.read(tmp_path)


@pytest.mark.parametrize("version", [None, 1, 2, 4])
def test_runs_of_another_format_are_refused_in_one_line(tmp_path, version):
    content = RUN if version is None else RUN | {"format": version}
    (tmp_path / "config.json").write_text(json.dumps(content))
    with pytest.raises(ValueError, match=rf"config.json: a run of format {version or 1}, this version reads 3; train"):
        record.read(tmp_path)
