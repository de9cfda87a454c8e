"""What the processes of a run must have in common; the others are played by the gathering function."""

import json

import pytest

from launch.runs import agreement


@pytest.fixture
def others(monkeypatch):
    """others(*values): what the processes after this one, process 0, tell of themselves."""
    monkeypatch.setattr(agreement.jax, "process_count", lambda: 2)

    def play(*values):
        monkeypatch.setattr(agreement, "gather", lambda own: [json.loads(json.dumps(own)), *values])

    return play


def test_all_differences_are_told_with_process_and_host(others):
    others({"host": "b", "facts": {"seed": "0", "code": '"x"'}})
    agreement.check({"seed": 0, "code": "x"})
    others({"host": "b", "facts": {"seed": "1", "more": "2"}})
    with pytest.raises(ValueError, match="processes of this run differ: ") as error:
        agreement.check({"seed": 0, "code": "x"})
    for text in ('seed: 1 in process 1 on b, 0 in process 0', 'code: nothing in process 1 on b, "x" in process 0',
                 "more: 2 in process 1 on b, nothing in process 0"):
        assert text in str(error.value)


def test_where_one_fails_none_goes_on(others):
    others("")
    assert agreement.everywhere(lambda: 7) == 7
    others("data: not there")
    with pytest.raises(ValueError, match="process 1 cannot go on: data: not there"):
        agreement.everywhere(lambda: 7)
    others("")
    with pytest.raises(FileNotFoundError, match="mine"):
        agreement.everywhere(lambda: (_ for _ in ()).throw(FileNotFoundError("mine")))


def test_a_process_alone_agrees_with_itself():
    agreement.check({"anything": object()})
    assert agreement.everywhere(lambda: 1) == 1
    assert agreement.gather({"a": [1, "ä"]}) == [{"a": [1, "ä"]}]


def test_the_code_has_one_version_until_a_file_changes(tmp_path, monkeypatch):
    assert agreement.code_version() == agreement.code_version.__wrapped__()
    (tmp_path / "launch" / "runs").mkdir(parents=True)
    monkeypatch.setattr(agreement, "__file__", str(tmp_path / "launch" / "runs" / "agreement.py"))
    empty = agreement.code_version.__wrapped__()
    (tmp_path / "launch" / "a.py").write_text("a = 1\n")
    assert agreement.code_version.__wrapped__() != empty
