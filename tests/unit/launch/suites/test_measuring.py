"""Nothing is measured twice, nothing is skipped in silence, and one failure takes no other figure along."""

import json

import pytest

from launch.suites import kept, measuring
from launch.suites.figure import Figure, Kept
from launch.suites.kept import Place
from launch.suites.measuring import Measured
from launch.suites.networks import Given
from xdancer_jax.evals.protocols import Result


@pytest.fixture
def place(tmp_path):
    found = Place(tmp_path, "video", 3, {})
    found.clips.mkdir(parents=True)
    return found


@pytest.fixture
def measured():
    return Measured({"step": 3}, "f00d", {"unet": "a"}, Given({}))


def counted(calls, name):
    def measure():
        calls.append(name)
        return [Result(name, {}, {"score": 1.0}, {"videos": 2})]

    return measure


def test_what_is_there_is_not_measured_again_until_something_else_is_asked_for(place, measured, capsys):
    calls = []
    figures, clips = [Figure(("a",), counted(calls, "a")), Figure(("b",), counted(calls, "b"))], Kept(["x", "y"])
    assert measuring.measure(place, figures[:1], clips, measured) == []
    assert measuring.measure(place, figures, clips, measured) == []
    assert calls == ["a", "b"] and "a: there already" in capsys.readouterr().out
    before = kept.result_file(place, "a").read_bytes()
    measuring.measure(place, figures, clips, measured)
    assert kept.result_file(place, "a").read_bytes() == before
    measuring.measure(place, figures, Kept(["x"]), measured)  # other clips
    assert calls == ["a", "b", "a", "b"]


def test_failures_and_lacking_weights_are_named_and_the_others_written(place, measured, capsys):
    def broken():
        raise ValueError("clip x: NaN")

    clips = Kept(["x"], ["1 clips left out, too short: z"], 1)
    figures = [
        Figure(("a",), broken), Figure(("b",), lambda: [], ("i3d",), Given({}).lacking("i3d")),
        Figure(("c",), counted([], "c")), Figure(("d",), counted([], "d"), ("i3d",)),
    ]
    problems = measuring.measure(place, figures[:3], clips, measured)
    assert problems == ["a: not measured: clip x: NaN"]
    shown = capsys.readouterr()
    assert "a: not measured: clip x: NaN" in shown.err
    assert "b: left out: give --i3d: i3d_pretrained_400.pt from" in shown.out and "Apache" in shown.out
    found = json.loads(kept.result_file(place, "c").read_text())
    assert found["result"]["counts"] == {"videos": 2, "clips_left_out": 1}
    assert found["result"]["notes"] == ["1 clips left out, too short: z"]
    assert sorted(path.name for path in place.results.glob("*.json")) == ["c.json"]


def test_random_weights_are_marked(place, measured):
    what = Measured(measured.source, "f00d", {}, Given({}, random=True))
    figures = [Figure(("a",), counted([], "a"), ("i3d",)), Figure(("b",), counted([], "b"))]
    measuring.measure(place, figures, Kept(["x"]), what)
    notes = [json.loads(kept.result_file(place, each).read_text())["result"]["notes"] for each in "ab"]
    assert "random weights" in notes[0][0] and notes[1] == []


def test_protocols_choose_and_an_unknown_one_is_refused(place, measured):
    calls = []
    figures = [Figure(("a", "b"), counted(calls, "a")), Figure(("c",), counted(calls, "c"))]
    measuring.measure(place, figures, Kept(["x"]), Measured({}, "", {}, Given({}), ("b",)))
    assert calls == ["a"]
    with pytest.raises(ValueError, match="--protocols: the suite video has no d; it has a, b, c"):
        measuring.measure(place, figures, Kept(["x"]), Measured({}, "", {}, Given({}), ("d",)))
