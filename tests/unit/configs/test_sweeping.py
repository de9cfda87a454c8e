import importlib
import math
from pathlib import Path

import pytest

from configs import sweeping
from launch.sweeps import checking, sweep_files, trials

SWEEPS = Path(__file__).parents[3] / "configs" / "sweeps"
BASES = {  # of each sweep, one that it can start from
    "ablations": "configs/motion.py:medium", "data_share": "configs/tokenizer.py:tiny",
    "learning_rate": "configs/tokenizer.py:tiny", "scale": "configs/motion.py:medium",
    "seeds": "configs/tokenizer.py:tiny",
}


def test_an_axis_is_a_run_for_each_value():
    assert sweeping.axis("model.width", (1, 2)) == [{"model.width": 1}, {"model.width": 2}]
    assert sweeping.seeds(2) == [{"seed": 0}, {"seed": 1}]


def test_a_product_is_every_run_with_every_other():
    made = sweeping.product(sweeping.axis("a", (1, 2)), sweeping.seeds(2))
    assert made == [{"a": 1, "seed": 0}, {"a": 1, "seed": 1}, {"a": 2, "seed": 0}, {"a": 2, "seed": 1}]


def test_zipped_sweeps_go_side_by_side():
    made = sweeping.zipped(sweeping.axis("a", (1, 2)), sweeping.axis("b", (3, 4)))
    assert made == [{"a": 1, "b": 3}, {"a": 2, "b": 4}]
    with pytest.raises(ValueError, match=r"\[2, 3\] runs"):
        sweeping.zipped(sweeping.seeds(2), sweeping.axis("b", range(3)))


@pytest.mark.parametrize("combine", [sweeping.product, sweeping.zipped])
def test_a_field_is_set_once(combine):
    with pytest.raises(ValueError, match="set 'seed'"):
        combine(sweeping.seeds(2), sweeping.seeds(2))


def test_log_uniform_draws_the_same_for_a_seed_and_evenly_over_decades():
    drawn = [each["x"] for each in sweeping.log_uniform("x", 1e-6, 1e-2, 4000, seed=3)]
    assert drawn == [each["x"] for each in sweeping.log_uniform("x", 1e-6, 1e-2, 4000, seed=3)]
    assert drawn != [each["x"] for each in sweeping.log_uniform("x", 1e-6, 1e-2, 4000, seed=4)]
    decades = [math.floor(math.log10(value)) for value in drawn]
    assert all(900 < decades.count(decade) < 1100 for decade in range(-6, -2))
    with pytest.raises(ValueError, match="0 < low < high"):
        sweeping.log_uniform("x", 0, 1, 1, seed=0)


def _shipped():
    for path in sorted(SWEEPS.glob("[a-z]*.py")):
        module = importlib.import_module(f"configs.sweeps.{path.stem}")
        for name in vars(module):
            if name == "sweep" or name.startswith("sweep_"):
                yield path.stem, name.removeprefix("sweep").lstrip("_")


@pytest.mark.parametrize("file, name", list(_shipped()))
def test_every_sweep_that_is_shipped_can_be_started(file, name, tmp_path):
    base = BASES[file].replace(":medium", ":tiny") if name.startswith("tiny") else BASES[file]
    overrides = sweep_files.load(f"{SWEEPS / file}.py:{name}" if name else f"{SWEEPS / file}.py")
    planned = trials.plan(base, {"data.dir": str(tmp_path)}, overrides)
    checking.check(planned)
    known = set()
    for trial in planned:
        assert known.issuperset(trial.parents), "what a run stands on comes first"
        known.add(trial.id)


def test_the_papers_tables_are_whole():
    planned = trials.plan(BASES["ablations"], {}, sweep_files.load(f"{SWEEPS}/ablations.py"))
    rows = {trial.row: trial for trial in planned}
    assert [row for row, trial in rows.items() if trial.stage == "motion"] == [
        "full model", "no global music", "no motion context", "sub-dataset, medium", "sub-dataset, small",
    ]
    assert rows["no global music"].fields["model.global_music"] is False
    assert rows["no motion context"].fields["model.motion_context"] is False
    assert rows["sub-dataset, small"].config == "configs/motion.py:small"
    single, multi = (rows[f"{each}-part + motion decoder"] for each in ("single", "multi"))
    assert "single_part" in single.fields["parts.tokenizer.source"]
    assert rows["pose guider"].fields["pose_control"] == "pose_guider"
    assert len({rows[row].fields["start"] for row in (single.row, multi.row, "pose guider")}) == 1
