import json

from launch.sweeps import plans, state, status


def test_a_line_a_run_and_a_count(make, tmp_path, capsys):
    trials = [make("a"), make("b"), make("c")]
    (tmp_path / "a" / "checkpoints" / "5").mkdir(parents=True)
    result = {"protocol": "pose_l1_half_height", "constants": {}, "values": {"full_body": 0.125}, "counts": {}}
    (tmp_path / "a" / "evaluation.jsonl").write_text(json.dumps(result | {"source": {"step": 5}}) + "\n")
    state.note(trials[1], str(tmp_path), "train", event="failed", told="error: why")
    status.show(trials, str(tmp_path))
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines] == [
        ["run", "state", "step"], ["a", "finished", "5/5"], ["b", "failed", "0/5"], ["c", "waiting", "0/5"],
        ["1", "finished,", "1"],
    ]
    assert lines[1].endswith("pose_l1_half_height/full_body 0.125") and lines[2].endswith("error: why")
    assert lines[-1] == "1 finished, 1 failed, 1 waiting of 3 runs"


def test_figures_of_other_constants_are_told_and_not_shown(make, tmp_path, capsys):
    (tmp_path / "a" / "checkpoints" / "5").mkdir(parents=True)
    lines = [
        {"protocol": "pose_l1_half_height", "constants": {"scale": scale}, "values": {"full_body": 0.1}, "counts": {},
         "source": {"step": 5}} for scale in (1, 2)
    ]
    (tmp_path / "a" / "evaluation.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    status.show([make("a")], str(tmp_path))
    assert "different constants" in capsys.readouterr().out


def test_time_left_is_that_of_the_steps_to_come(make):
    seen = state.Seen("training", 5, 2.0)
    assert status._left(make("a", steps=7205), seen) == "1:00:00"
    assert status._left(make("a"), state.Seen("finished", 5, 2.0)) == ""


def test_a_plan_comes_back_as_it_was(make, tmp_path):
    from launch.sweeps import trials

    planned = trials.plan("configs/tokenizer.py:tiny", {"model.decay": 0.5}, [{"seed": 1}, {"seed": 2}])
    plans.write(str(tmp_path), planned, ["command"])
    assert plans.read(str(tmp_path)) == planned
