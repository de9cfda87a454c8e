"""Flags of suites: what goes together, and a line for what does not."""

import pytest

from launch.suites import outside, running
from launch.suites.networks import Given
from tests import command_line

RUN = ("--run=r", "--data=d")


@pytest.fixture
def calls(monkeypatch):
    found = []
    monkeypatch.setattr(running, "run", lambda *given: found.append(given))
    monkeypatch.setattr(outside, "run", lambda *given: found.append(given))
    return found


def test_a_runs_suite_gets_every_flag(calls):
    done = command_line.run(
        "launch.evaluate", *RUN, "--suite=video", "--step=all", "--clips=2", "--seed=4", "--protocols=a,b",
        "--i3d=i.pt", "--lpips_net=vgg", "--lpips_heads=h.pth", "--face_finder=f.onnx",
    )
    assert done.returncode == 0, done.stderr
    [(workdir, data, step, suite, given, net, only)] = calls
    assert (workdir, data.directory, data.clips, step, suite) == ("r", "d", 2, "all", "video")
    assert (net, only) == ("vgg", ("a", "b"))
    assert given == Given({"i3d": "i.pt", "vgg_heads": "h.pth", "scrfd": "f.onnx"}, False, 4)


def test_videos_from_elsewhere_need_no_run(calls):
    flags = ("--from_videos=v", "--truth=t", "--out=o", "--suite=all", "--weights=random")
    done = command_line.run("launch.evaluate", *flags)
    assert done.returncode == 0, done.stderr
    [(what, out, suite, given, _, only)] = calls
    assert (what, out, suite, given.random, only) == (outside.Outside("v", "t", None), "o", "all", True, ())


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ((*RUN, "--i3d=x"), "--i3d: only with --suite"),
        ((*RUN, "--weights=random"), "--weights: only with --suite"),
        ((*RUN, "--step=all"), "--step=all: only with --suite; without it --watch evaluates every checkpoint"),
        ((*RUN, "--step=x"), "--step=x: give a number from 1 on, or all (with --suite)"),
        (("--run=r", "--suite=all"), "--data is missing"),
        (("--from_videos=v", "--suite=all"), "--out is missing"),
        ((*RUN, "--suite=all", "--truth=t"), "--truth: only with --from_videos; a run's truth is its --data"),
        ((*RUN, "--suite=all", "--out=o"),
         "--out: with --suite only for --from_videos; a run's results lie in RUN/evaluation"),
        ((*RUN, "--suite=all", "--watch"),
         "--suite: not with --watch; --step=all takes every checkpoint that is there"),
        ((*RUN, "--suite=all", "--weights=random", "--i3d=x"), "--weights=random: not with --i3d"),
        (("--from_videos=v", "--run=r", "--out=o", "--suite=all"), "--run: not with --from_videos"),
    ],
)
def test_flags_that_do_not_go_together_are_a_line(calls, given, line):
    done = command_line.run("launch.evaluate", *given)
    assert (done.returncode, done.stderr, calls) == (1, f"error: {line}\n", [])
