import json

import pytest

from launch.studies import key as keys


def test_a_key_comes_back_as_it_was(key, tmp_path):
    keys.save(key, tmp_path)
    assert keys.load(str(tmp_path)) == key
    assert key.files() == [f"{clip}.mp4" for item in key.items for clip in item.clips]


@pytest.mark.parametrize(("field", "value"), [
    ("format", 2), ("study", "../../etc"), ("systems", ["ours"]), ("items", []), ("questions", {}), ("items", [3]),
])  # fmt: skip
def test_what_is_no_key_is_refused(key, tmp_path, field, value):
    keys.save(key, tmp_path)
    record = json.loads((tmp_path / "key.json").read_text())
    (tmp_path / "key.json").write_text(json.dumps(record | {field: value}))
    with pytest.raises(ValueError, match="key.json: not the key of a study"):
        keys.load(str(tmp_path))


def test_a_folder_without_a_study_is_told_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no study; make it with --videos"):
        keys.load(str(tmp_path))
    (tmp_path / "key.json").write_text("{")
    with pytest.raises(ValueError, match="not the key of a study"):
        keys.load(str(tmp_path))
