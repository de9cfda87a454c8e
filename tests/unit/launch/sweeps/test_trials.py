import dataclasses
import shlex
import subprocess
import sys

import pytest

from launch.shell import config_flag
from launch.sweeps import trials

MOTION, TOKENIZER = "configs/motion.py:tiny", "configs/tokenizer.py:tiny"


def plan(*overrides, config=MOTION, given=None):
    return trials.plan(config, given or {}, overrides)


def test_an_id_tells_what_a_run_sets():
    (trial,) = plan({"model.global_music": False, "seed": 1})
    assert trial.id.startswith("motion_tiny-global_music=False,seed=1-")
    assert (trial.row, trial.seed, trial.steps, trial.stage) == ("motion_tiny, global_music=False", 1, 2200, "motion")


def test_an_id_holds_only_what_every_file_system_and_shell_takes():
    (trial,) = plan({"label": 'a "b" / c\n$d é', "seed": 2})
    assert shlex.quote(trial.id.replace(",", "").replace("=", "")) == trial.id.replace(",", "").replace("=", "")
    assert "/" not in trial.id and "seed=2" in trial.id
    (long,) = plan({"label": "x" * 500})
    assert len(long.id) < 100


def test_ids_differ_by_what_decides_the_result_alone():
    (plain,) = plan({})
    (moved,) = plan({}, given={"data.dir": "/elsewhere", "log_every": 7, "mesh.fsdp": 2})
    (other,) = plan({}, given={"model.width": 32})
    (equal,) = plan({"model.width": 64})  # the variant's own
    assert plain.id == moved.id
    assert len({trial.id.rsplit("-", 1)[1] for trial in (plain, other)}) == 2
    assert equal.id.rsplit("-", 1)[1] == plain.id.rsplit("-", 1)[1]


def test_a_sweep_over_what_changes_no_result_has_runs_all_the_same():
    assert len({trial.id.rsplit("-", 1)[1] for trial in plan({"data.dir": "/a"}, {"data.dir": "/b"})}) == 2


def test_ids_are_the_same_in_another_process():
    (trial,) = plan({"model.dropout": 0.5})
    code = f"from launch.sweeps import trials; print(trials.plan({MOTION!r}, {{}}, [{{'model.dropout': .5}}])[0].id)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == trial.id


def test_what_runs_stand_on_comes_first_and_once():
    tokenizer = {"config": TOKENIZER, "seed": 5}
    made = plan({"parts.tokenizer.source": tokenizer}, {"parts.tokenizer.source": tokenizer, "seed": 1}, tokenizer)
    assert [trial.stage for trial in made] == ["tokenizer", "motion", "motion"]
    assert made[1].parents == made[2].parents == (made[0].id,)
    assert f"--config.parts.tokenizer.source=run:OUT/{made[0].id}" in made[1].train("OUT")


def test_a_chain_may_be_longer_and_a_run_may_start_from_another():
    appearance = {"config": "configs/video.py:tiny_appearance", "parts.tokenizer.source": {"config": TOKENIZER}}
    made = plan({"config": "configs/video.py:tiny_motion", "start": appearance})
    assert [trial.stage for trial in made] == ["tokenizer", "video", "video"]
    assert f"--config.start=gs://b/o/{made[1].id}" in made[2].train("gs://b/o/")


def test_another_parent_is_another_run():
    one, two = ({"parts.tokenizer.source": {"config": TOKENIZER, "seed": seed}} for seed in (0, 1))
    made = plan(one, two)
    assert made[1].id != made[3].id
    assert made[1].row == made[3].row, "but of one row: seeds are averaged, wherever they stand"
    (_, wide) = plan({"parts.tokenizer.source": {"config": TOKENIZER, "model.depth": 2}})
    assert wide.row != made[1].row


def test_the_command_line_holds_for_other_configs_as_far_as_they_have_the_field():
    made = plan({"parts.tokenizer.source": {"config": TOKENIZER}}, given={"steps": 7, "model.width": 32})
    assert [trial.steps for trial in made] == [7, 7]
    assert "model.width" not in made[0].fields and made[1].fields["model.width"] == 32


def test_a_run_wins_over_the_command_line():
    (trial,) = plan({"steps": 9}, given={"steps": 7})
    assert trial.steps == 9 and trial.train("o").count("--config.steps=9") == 1
    assert not any("steps=7" in argument for argument in trial.train("o"))


def test_the_command_says_exactly_what_was_meant():
    given = {"model.dropout": 0.1 + 0.2, "sampling.top_k": (3, 4), "data.dir": "a dir/é", "model.global_music": False}
    (trial,) = plan(given)
    arguments = trial.train("out")
    from absl import flags
    from ml_collections import config_flags

    table = flags.FlagValues()
    chosen = config_flags.DEFINE_config_file("config", None, flag_values=table, sys_argv=["", *arguments[1:]])
    table(["", *(each for each in arguments[1:] if "workdir" not in each)])
    for name, value in given.items():
        block = chosen.value
        for part in name.split("."):
            block = block[part]
        assert block == value, name


def test_evaluation_takes_the_runs_data_and_split():
    (trial,) = plan({"data.dir": "D", "data.eval_split": "held"})
    assert trial.evaluate("O", ["--clips=2"]) == [
        "launch.evaluate", f"--run=O/{trial.id}", "--data=D", "--split=held", "--clips=2",
    ]


@pytest.mark.parametrize("overrides, told", [
    ([{"model.widht": 2}], r"run 1 of the sweep: --config.model.widht: unknown .* did you mean 'width'"),
    ([{"seed": 1}, {"model.width": "wide"}], "run 2 of .*: --config.model.width: 'wide' is of type str, not int"),
    ([{"seed": 1.5}], "--config.seed: 1.5 is of type float, not int"),
    ([{"seed": True}], "--config.seed: True is of type bool, not int"),
    ([{"model.global_music": 1}], "1 is of type int, not bool"),
    ([{"model": 1}], "--config.model: is a block"),
    ([{"seed": 1}, {}, {"seed": 1}], "run 3 of the sweep is run 1 again"),
    ([], "the sweep is empty"),
    (["seed"], "run 1 of the sweep: not a dict"),
    ([{"data.dir": {"seed": 1}}], "data.dir cannot stand on a run"),
    ([{"config": "configs/nope.py:tiny"}], "nope.py:tiny: not a config"),
    ([{"parts.tokenizer.source": {"config": TOKENIZER, "model.nope": 1}}], "run 1 .* --config.model.nope: unknown"),
    ([{"label": "a", "model.width": 32}, {"label": "a"}], "label 'a' stands for runs that differ in more"),
])
def test_what_is_wrong_is_told_in_a_line(overrides, told):
    with pytest.raises(ValueError, match=told) as caught:
        plan(*overrides)
    assert "\n" not in str(caught.value)


def test_a_trial_is_plain_data():
    (trial,) = plan({})
    assert trials.Trial(**dataclasses.asdict(trial)) == trial
    assert hash(trial.id)


def test_planning_needs_no_jax():
    code = "import launch.sweep, sys; assert 'jax' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_set_field_changes_the_config():
    config = config_flag.load(TOKENIZER)
    config_flag.set_field(config, "optimizer.learning_rate", 1)
    assert config.optimizer.learning_rate == 1.0
