"""config.json of a run whose fields are damaged, to every reader of it."""

import copy
import json
import shutil

import pytest

from configs import motion, video
from launch.runs import kinds, loading, resolve, sources, training


@pytest.fixture
def run(trained, tmp_path):
    """change(field, value): a copy of the trained run with another value (None: without the field) in its config."""

    def change(field, value):
        folder = shutil.copytree(trained, tmp_path / "copy")
        content = json.loads((folder / "config.json").read_text())
        *above, last = field.split(".")
        inside = content
        for name in above:
            inside = inside[name]
        inside[last] = value
        if value is None:
            del inside[last]
        (folder / "config.json").write_text(json.dumps(content))
        return folder

    return change


FIELDS = [
    ("config.steps", "many", "config.steps is of type str, not int"),
    ("config.steps", True, "config.steps is of type bool, not int"),
    ("config.model", [], "config.model is of type list, not dict"),
    ("config.model.kernel", {}, "config.model.kernel is of type dict, not int"),
    ("config.parts.tokenizer", "x", "config.parts.tokenizer is of type str, not dict"),
    ("config.parts.tokenizer.trainable", [{}], "config.parts.tokenizer.trainable is of type list"),
    ("config.optimizer", None, "config.optimizer is missing"),
    ("config.data.length", None, "config.data.length is missing"),
    ("config.skeleton", 3, "config.skeleton is no skeleton"),
    ("config.skeleton.parts", [["a", 3]], "config.skeleton is no skeleton"),
    ("config.earlier", None, "config.earlier is missing"),
    ("config.earlier", [], "config.earlier is of type list, not dict"),
    ("config.earlier", {"tokenizer": 3}, "config.earlier.tokenizer is of type int, not dict"),
    ("config.earlier", {"tokenizer": {"name": "zzz"}}, "config.earlier.tokenizer.name is 'zzz', not one of"),
    ("config.a", {"x.y": 3}, "not the config of a run"),
]


@pytest.mark.parametrize("field, value, said", FIELDS)
def test_a_field_of_another_kind_is_named_with_its_file(run, small, field, value, said):
    folder = run(field, value)
    for read in (lambda: loading.load(folder), lambda: training.train(small(), folder),
                 lambda: sources.read_config(folder)):
        with pytest.raises(ValueError, match=f"{folder}/config.json: not the config of a run .*restore it or") as told:
            read()
        assert said in str(told.value) and "\n" not in str(told.value)


@pytest.mark.parametrize("field, value", [("config.model.kernel", 0), ("config.model.codebook_size", -3),
                                          ("config.dtype", "float33"), ("config.model.extra", 3)])
def test_a_value_that_no_model_takes_is_the_configs_fault(run, field, value):
    folder = run(field, value)
    with pytest.raises(ValueError, match="copy/config.json: not a config of this version|does not fit"):
        loading.load(folder)


@pytest.mark.parametrize("field", ["facts", "changes"])
def test_a_run_without_its_history_does_not_go_on(run, small, field):
    with pytest.raises(ValueError, match=f"config.json: not the config of a run .no {field}"):
        training.train(small(), run(field, None))


def test_a_run_of_an_earlier_version_lacks_only_what_came_since(trained):
    """Its config gets what it did then, and those it stands on; a field that was always there is still missed."""
    now = json.loads((trained / "config.json").read_text())["config"]
    before = copy.deepcopy(now)
    del before["data"]["augment"], before["data"]["corrupt"]
    del before["loss"]["velocity_weight"], before["loss"]["acceleration_weight"]
    assert kinds.completed(before) == now
    above = {**now, "earlier": {"tokenizer": before}}
    assert kinds.completed(above)["earlier"]["tokenizer"] == now
    del before["data"]["length"]
    with pytest.raises(ValueError, match="config.data.length is missing"):
        kinds.check(kinds.completed(before))


def test_a_video_run_of_an_earlier_version_samples_and_looks_as_it_did():
    config = video.get_config("paper_motion")
    for part in config.parts.values():
        part.source = "random"
    now = resolve.resolve(config).to_dict()
    before = copy.deepcopy(now)
    for name in ("solver", "weights", "shift", "windows_at_once"):
        del before["sampler"][name]
    del before["objective"]["eval_buckets"], before["model"]["image_encoder"]["framing"]
    assert kinds.completed(before) == now


def test_every_variant_passes(trained):
    config = motion.get_config("tiny")
    config.parts.tokenizer.source = f"run:{trained}"
    kinds.check(json.loads(json.dumps(resolve.resolve(config.lock()).to_dict())))
