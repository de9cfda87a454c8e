import pytest

from launch.sweeps import sweep_files


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def sweep():\n    yield {'seed': 1}\ndef sweep_two():\n    return [{}, {'seed': 2}]\nx = 1\n")
    return path


def test_a_file_gives_what_its_function_yields_or_returns(file):
    assert sweep_files.load(str(file)) == [{"seed": 1}]
    assert sweep_files.load(f"{file}:two") == [{}, {"seed": 2}]


@pytest.mark.parametrize("text, name, told", [
    (None, "", "no such file"),
    ("def sweep_two(): pass", "", r"has no sweep\(\); it has .*:two"),
    ("def sweep(): pass\ndef sweep_a(): pass", ":b", r"has no sweep_b\(\); it has .*mine.py, .*mine.py:a"),
    ("x = 1", "", r"has no sweep\(\); it has none: define sweep\(\)"),
    ("def sweep(:", "", "cannot be imported: SyntaxError"),
    ("import nothing_of_the_kind", "", "cannot be imported: ModuleNotFoundError"),
    ("def sweep():\n  yield {}\n  1 / 0", "", r"sweep\(\) failed: ZeroDivisionError"),
    ("def sweep():\n  return 5", "", r"sweep\(\) failed: TypeError"),
])
def test_what_is_wrong_is_told(tmp_path, text, name, told):
    path = tmp_path / "mine.py"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match=told) as caught:
        sweep_files.load(f"{path}{name}")
    assert str(path) in str(caught.value)
