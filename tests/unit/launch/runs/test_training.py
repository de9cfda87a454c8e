import json
import shutil

import jax
import pytest

from configs import motion, tokenizer
from launch.runs import training
from tests import untrained_run
from xdancer_jax.train import checkpoint, checkpointer, record
from xdancer_jax.train.retention import newest


@pytest.fixture
def run(trained, tmp_path):
    """A copy of the trained tokenizer's work directory, at another place."""
    return shutil.copytree(trained, tmp_path / "copy")


def content(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("field, value", [("seed", 3), ("batch_size", 8), ("ema_decay", 0.5)])
def test_a_changed_run_does_not_go_on_and_stays_as_it_was(run, small, field, value):
    before, old = content(run), small()[field]
    message = f"begun with other settings: {field}: {old!r} before, {value!r} now.*--allow_change={field}"
    with pytest.raises(ValueError, match=message):
        training.train(small(**{field: value}), run)
    assert content(run) == before


def test_an_allowed_change_goes_on_and_is_recorded(run, small):
    assert training.train(small(seed=3, steps=3), run, allow_change=["seed"]).start_step == 2
    told = record.read(run)
    assert told["changes"] == [{"step": 2, "field": "seed", "before": 0, "now": 3}] and told["config"]["seed"] == 3
    with pytest.raises(ValueError, match="seed: 3 before, 0 now"):
        training.train(small(steps=4), run)


def test_a_run_begins_with_the_seed_the_batches_and_the_split_of_its_config(small, trained, tmp_path, monkeypatch):
    asked = []
    batches = training.build.batches
    monkeypatch.setattr(
        training.build, "batches", lambda config, *args, **options: asked.append((args, options)) or batches(
            config, *args, **options)
    )
    training.train(small(), tmp_path / "same")
    assert asked == [(("train", 0), {}), (("test",), {"train": False})]
    training.train(small(seed=1), tmp_path / "other")
    runs = (trained, tmp_path / "same", tmp_path / "other")
    digests = [checkpoint.stored(path).digests["tokenizer"] for path in runs]
    assert digests[0] == digests[1] != digests[2]
    training.train(small(steps=3), tmp_path / "same")
    assert (("train", 2), {}) in asked  # goes on where it stopped


def test_ema_is_kept_where_the_config_says_so(small, tmp_path, trained):
    training.train(small(ema_decay=0.5), tmp_path)
    paths = checkpoint.metadata(tmp_path / "checkpoints" / "2")[0]
    assert any(path.startswith("ema/") for path in paths)
    assert not any(path.startswith("ema/") for path in checkpoint.metadata(trained / "checkpoints" / "2")[0])


def _motion(source, steps):
    config = motion.get_config("tiny")
    config.model.update(num_layers=1, width=16, num_heads=2, codebook_size=16)
    config.parts.tokenizer.source = source
    config.update(steps=steps, batch_size=2)
    config.optimizer.schedule = "constant"
    return config.lock()


@pytest.fixture
def stub(monkeypatch):
    """loop.train that only writes what a first checkpoint would: parts are made and saved, nothing is trained."""
    calls = []

    def train(stage, optimizer, parts, make_iterator, settings, *, workdir, config, start, **options):
        calls.append((parts, start))
        if not start:
            record.write(workdir, config)
            untrained = untrained_run.state_of(training.sources.as_config(config["config"]))
            with checkpointer.Checkpointer(workdir, newest(1)) as saver:
                saver.save(1, untrained, {name: part.digest or "own" for name, part in parts.items()})
        else:
            record.write(workdir, config)
        return None, None

    monkeypatch.setattr(training.loop, "train", train)
    return calls


def test_a_run_goes_on_without_its_sources_and_refuses_others(tmp_path, stub):
    config = tokenizer.get_config("tiny")
    config.model.codebook_size = 16
    first = untrained_run.write(tmp_path / "tokenizer", config.copy_and_resolve_references(), seed=0)
    other = untrained_run.write(tmp_path / "other", config.copy_and_resolve_references(), seed=1)
    workdir = tmp_path / "motion"
    training.train(_motion(f"run:{first}", 1), workdir)
    digest = checkpoint.stored(first).digests["tokenizer"]
    assert record.read(workdir)["facts"] == {"parts.tokenizer.source": digest}  # and no data set: none is named
    assert stub[0][0]["tokenizer"].read is not None
    # Moved, with everything renamed.
    shutil.move(tmp_path / "tokenizer", tmp_path / "renamed")
    moved = shutil.move(workdir, tmp_path / "moved")
    training.train(_motion(f"run:{first}", 2), moved)
    parts, start = stub[-1]
    assert (start, parts["tokenizer"].read, parts["tokenizer"].digest) == (1, None, digest)
    training.train(_motion(f"run:{tmp_path / 'renamed'}", 2), moved)  # the same content elsewhere
    with pytest.raises(ValueError, match="parts.tokenizer.source: no trained run in .*renamde; give the source that"):
        training.train(_motion(f"run:{tmp_path / 'renamde'}", 2), moved)
    with pytest.raises(ValueError, match=f"parts.tokenizer.source: '{digest}' before, '.*' now"):
        training.train(_motion(f"run:{other}", 2), moved)
    training.train(_motion(f"run:{other}", 2), moved, allow_change=["parts.tokenizer.source"])
    assert stub[-1][0]["tokenizer"].digest == digest  # it keeps its own


def test_another_data_set_is_refused_and_a_moved_one_is_not(run, small, tmp_path, data):
    moved = small(steps=3)
    with moved.unlocked():
        moved.data.dir = str(shutil.copytree(data, tmp_path / "moved" / "name" / "1.0.0"))
    assert training.train(moved, run).start_step == 2
    described = json.loads((tmp_path / "moved" / "name" / "1.0.0" / "xdancer.json").read_text())
    (tmp_path / "moved" / "name" / "1.0.0" / "xdancer.json").write_text(
        json.dumps(described | {"fingerprint": "0" * len(described["fingerprint"])})
    )
    message = f"data.dir: '{described['fingerprint']}' before, '000.*--allow_change=data.dir"
    with pytest.raises(ValueError, match=message):
        training.train(moved, run)


def test_nothing_to_allow_in_a_new_run(small, tmp_path):
    with pytest.raises(ValueError, match="--allow_change=seed: nothing of that name has changed"):
        training.train(small(), tmp_path, allow_change=["seed"])


def test_a_work_directory_of_another_stage_is_refused(trained, tmp_path):
    with pytest.raises(ValueError, match="stage is 'tokenizer', expected 'motion'"):
        training.train(_motion("random", 1), trained)


def test_a_run_of_another_format_is_refused(run, small):
    told = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({key: value for key, value in told.items() if key != "format"}))
    with pytest.raises(ValueError, match="a run of format 1, this version reads 3"):
        training.train(small(), run)


def damage(run, step):
    """Cuts every file of arrays of a checkpoint short."""
    files = [path for path in (run / "checkpoints" / str(step)).rglob("*") if path.is_file()]
    for path in files:
        path.write_bytes(path.read_bytes()[:99] if path.stat().st_size > 999 else path.read_bytes())


def test_a_damaged_checkpoint_stops_a_run_or_is_set_aside_as_the_config_says(run, small, caplog, tmp_path):
    training.train(small(steps=4), run)
    damage(run, 4)
    with pytest.raises(ValueError, match="checkpoints/4: a damaged checkpoint .*on_damage=previous does"):
        training.train(small(steps=5), run)
    assert checkpoint.steps(run) == [2, 4]
    config = small(steps=5, checkpoint=small().checkpoint.copy_and_resolve_references())
    with config.unlocked():
        config.checkpoint.on_damage = "previous"
    assert training.train(config, run).start_step == 2
    assert "checkpoints/4: a damaged checkpoint" in caplog.text and f"it lies in {run}/damaged/4 now" in caplog.text
    assert "goes on from step 2" in caplog.text and checkpoint.steps(run) == [2, 5]
    training.train(small(steps=5), tmp_path / "straight")
    assert checkpoint.stored(run).digests == checkpoint.stored(tmp_path / "straight").digests


def test_a_batch_that_cannot_be_cut_is_refused_with_the_nearest_that_can(small, tmp_path):
    told = r"config.batch_size=4: .*config.accumulate=3 parts, .* a multiple of 3: 3 or 6"
    with pytest.raises(ValueError, match=told):
        training.train(small(accumulate=3), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_with_its_batches_in_other_parts(run, small, tmp_path):
    training.train(small(steps=4, accumulate=2), run)
    training.train(small(steps=4), tmp_path / "whole")
    ours, theirs = (checkpoint.stored(path) for path in (run, tmp_path / "whole"))
    assert ours.step == theirs.step == 4 and ours.leaves.keys() == theirs.leaves.keys()


def test_no_large_array_is_a_constant_of_the_compiled_step(small, tmp_path, monkeypatch):
    seen = []
    compile_for = training.loop.compile_for

    def watched(mesh, rules, function, *args, **options):
        seen.append(jax.make_jaxpr(function)(*args).consts)
        return compile_for(mesh, rules, function, *args, **options)

    monkeypatch.setattr(training.loop, "compile_for", watched)
    training.train(small(), tmp_path)
    assert len(seen) == 1 and sum(getattr(value, "size", 1) for value in seen[0]) < 1000
