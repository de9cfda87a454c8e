import fcntl
import os
import shutil

import jax
import pytest

from configs import motion
from launch.checks import run
from launch.checks.findings import FAIL, OK
from xdancer_jax import sharding


@pytest.fixture
def copy(trained, tmp_path):
    """A copy of the trained tokenizer's work directory."""
    return str(shutil.copytree(trained, tmp_path / "copy"))


def content(folder):
    return {os.path.join(at, name): os.stat(os.path.join(at, name)).st_mtime_ns
            for at, _, names in os.walk(folder) for name in names}


def test_fields_out_of_their_range_are_named(small):
    assert run.fields(small()).found == "stage tokenizer, 2 steps, batch 4"
    with pytest.raises(ValueError, match="config.batch_size=0: must be at least 1"):
        run.fields(small(batch_size=0))
    with pytest.raises(ValueError, match="config.param_dtype='bfloat16'"):
        run.fields(small(param_dtype="bfloat16"))


def test_a_mesh_over_all_devices(small):
    count = jax.device_count()
    assert run.mesh(small(batch_size=4 * count)).found.endswith(f"4 of {4 * count} examples a device")


def test_fields_out_of_range_are_left_to_their_check(small):
    assert run.mesh(small(accumulate=0)).state == OK


def test_the_axes_of_a_mesh_are_told(small, monkeypatch):
    mesh = sharding.make_mesh({"data": 1})
    monkeypatch.setattr(sharding, "make_mesh", lambda sizes: mesh)
    assert run.mesh(small()).found == "one device; 4 of 4 examples a device"


def test_a_mesh_that_does_not_fit_is_refused_with_one_that_does(small):
    with pytest.raises(ValueError, match=f"does not fit {jax.device_count()} devices; the nearest that does"):
        run.mesh(small(mesh={"fsdp": 3 * jax.device_count()}))


@pytest.mark.parametrize(("changes", "said"), [
    ({"accumulate": 3}, "config.batch_size=4: is split over .* config.accumulate=3 parts"),
    ({"sharding": "none"}, "config.sharding='none': choose one of"),
])
def test_a_batch_that_does_not_divide_is_refused(small, changes, said):
    with pytest.raises(ValueError, match=said):
        run.mesh(small(**changes))


def test_a_new_work_directory_begins_and_is_not_made(small, tmp_path):
    assert "begins at step 0" in run.workdir(small(), str(tmp_path / "new"), True).found
    assert list(tmp_path.iterdir()) == []


def test_a_run_goes_on_and_stays_as_it_was(small, copy):
    before = content(copy)
    assert "goes on from step 2 of 5" in run.workdir(small(steps=5), copy, True).found
    assert "done, step 2 of 2" in run.workdir(small(), copy, True).found
    assert content(copy) == before


@pytest.mark.parametrize(("changes", "said"), [
    ({"seed": 3}, "begun with other settings: seed: 0 before, 3 now"),
    ({"name": "motion"}, "stage is 'tokenizer', expected 'motion'"),
])
def test_another_runs_work_directory_is_refused(small, copy, changes, said):
    with pytest.raises(ValueError, match=said):
        run.workdir(small(**changes), copy, True)


def test_a_damaged_run_is_refused(small, copy):
    with open(f"{copy}/config.json", "w") as file:
        file.write("{")
    with pytest.raises(ValueError, match="config.json: not the config of a run"):
        run.workdir(small(), copy, True)


def test_a_run_without_a_checkpoint_begins_anew(small, copy):
    shutil.rmtree(f"{copy}/checkpoints")
    assert "begins anew" in run.workdir(small(), copy, True).found


def test_a_work_directory_in_which_another_trains_is_refused(small, copy):
    with open(f"{copy}/lock", "w") as file:
        file.write("process 7 on h")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(ValueError, match="process 7 on h is training there; wait"):
            run.workdir(small(), copy, True)
        assert run.workdir(small(), copy, False).state == OK  # process 0 looks for all
    assert run.workdir(small(), copy, True).state == OK  # left by one that was killed


def motion_of(source, **changes):
    config = motion.get_config("tiny")
    config.parts.tokenizer.source = source
    config.update(changes)
    return config.lock()


def test_sources_that_are_there(small, trained):
    assert run.parts(small(), None).found == "tokenizer (random)"
    assert run.parts(motion_of(f"run:{trained}"), None).found == f"tokenizer (run:{trained}), gpt (random)"


@pytest.mark.parametrize(("source", "gpt", "said"), [
    ("run:/none", "gpt2:/no", [
        "config.parts.tokenizer.source: /none: no such directory", "config.parts.gpt.source: /no: no such file",
    ]),
    ("", "random", ["config.parts.tokenizer.source is empty"]),
    ("start", "start", ["config.start is empty, and config.parts.tokenizer.source", "parts.gpt.source"]),
])
def test_all_sources_that_are_not_there_are_named(source, gpt, said):
    config = motion_of(source, parts={"gpt": {"source": gpt}})
    found = run.parts(config, None)
    assert found.state == FAIL and all(each in found.found for each in said)


def test_a_source_of_another_model_is_refused(trained):
    with pytest.raises(ValueError, match="config.parts.gpt.source: .* is a run of stage tokenizer without gpt"):
        run.parts(motion_of(f"run:{trained}", parts={"gpt": {"source": f"run:{trained}"}}), None)


def test_the_sources_of_a_run_that_has_its_weights_are_not_looked_at(trained):
    assert run.parts(motion_of("run:/none"), str(trained)) is None


def test_other_checks_tell_what_keeps_a_config_from_being_resolved(small, trained):
    assert run.parts(small(batch_size=0), None) is None
    assert run.resolved(small(batch_size=0), None) is None
    assert run.resolved(motion_of("run:/none"), None) is None
    assert "tokenizer" in run.resolved(motion_of(f"run:{trained}"), None).earlier


def test_a_run_that_goes_on_knows_what_it_stands_on(small, trained):
    assert run.resolved(small(), str(trained)).name == "tokenizer"
