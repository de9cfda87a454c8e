import functools
import itertools
import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

from data_pipeline import computed, loaders, sources
from data_pipeline.computed_files import Writer
from launch import stages
from launch.checks import data as checks_data
from launch.preparing import computing
from launch.runs import build, loading, resolve, training
from launch.runs import computed as holding
from launch.runs import sources as run_sources
from tests import command_line, data_sets, small_stages, untrained_run
from xdancer_jax import sharding
from xdancer_jax.rng import Chance

FRAMES = 45
KINDS = ("tokens", "latents", "embeddings")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return data_sets.toy(tmp_path_factory.mktemp("data"), frames=FRAMES, height=40, width=24, train_clips=3)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A video run: its parts make all kinds."""
    return untrained_run.write(tmp_path_factory.mktemp("run"), small_stages.config("video_motion", 2), seed=1)


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Another run, of other weights."""
    return untrained_run.write(tmp_path_factory.mktemp("other"), small_stages.config("video_motion", 2), seed=2)


@pytest.fixture(scope="module")
def run(workdir):
    return loading.load(workdir, mesh=sharding.make_mesh({"data": 1}, jax.devices()[:1]), table="data")


@pytest.fixture(scope="module")
def out(run, data, tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("computed"))
    computing.compute(run, data, folder, KINDS, 4, 2**28, quiet=True)
    return folder


def _config(name, workdir, data, **fields):
    config = small_stages.config(name, 2)
    for part in set(config.parts) & {"autoencoder", "tokenizer", "image_encoder"}:
        config.parts[part].source, config.parts[part].trainable = f"run:{workdir}", ()
    config.data.dir = data
    config.data.update(fields)
    return config


def _losses(config, run, steps, modes):
    """Of the first batches, with the run's own weights where it has them, and random ones elsewhere."""
    config = resolve.resolve(config)
    stage = stages.find(config.name).make(config)
    state = untrained_run.state_of(config, seed=5)
    params = {name: run.params.get(name, part) if name in holding.PART.values() else part
              for name, part in state.params.items()}  # fmt: skip
    extra = {name: run.extra.get(name, part) for name, part in state.extra.items()}
    batches = build.batches(config, "train")

    @functools.partial(jax.jit, static_argnums=3)
    def loss(params, extra, batch, train):
        return stage.loss(params, extra, batch, Chance.whole(jax.random.key(3), 2), train)[0]

    taken = itertools.islice(batches, steps)
    return [[float(loss(params, extra, batch, train)) for train in modes] for batch in taken]


@pytest.mark.parametrize(("name", "given", "modes"), [
    ("motion", [("tokens",)], (True, False)), ("video_motion", [KINDS], (True, False)),
    ("video_motion", [("latents",), ("embeddings", "tokens")], (True,)),
])
def test_the_loss_is_that_of_frames_and_poses(name, given, modes, run, workdir, data, out):
    def losses(fields):
        config = _config(name, workdir, data, **dict.fromkeys(fields, out))
        if name == "motion":
            config.data.static_context_rate = 0.5
        return _losses(config, run, 12 if name == "motion" else 3, modes)

    expected = losses(())
    for fields in given:
        np.testing.assert_allclose(losses(fields), expected, rtol=1e-5)


def test_tokens_are_those_of_the_window_wherever_it_lies(run, workdir, data, out):
    """Also where the clip begins, where it ends, and where all before stands still."""
    config = resolve.resolve(_config("motion", workdir, data, previous=30))
    module, weights = run.modules["tokenizer"], run.variables("tokenizer")
    encode = jax.jit(lambda poses: module.apply(weights, poses, method="encode"))
    cut = {**stages.find("motion").window(config, True).cut, "static_context_rate": 0.5}
    plain = loaders.motion(data, "train", 64, 3, **cut)
    made = dict.fromkeys(("tokens", "still_tokens"), out)
    given = loaders.motion(data, "train", 64, 3, **{**cut, "tokens": (5, 1)}, made=made)
    margin = cut["margin"]
    for _ in range(3):
        expected = np.asarray(encode(next(plain)["poses"]))[:, margin:-margin]
        np.testing.assert_array_equal(next(given)["tokens"], expected)


def test_a_run_trains_on_tokens_and_evaluates_on_them(workdir, data, out, tmp_path, monkeypatch):
    config = _config("motion", workdir, data, tokens=out)
    config.update(steps=2, log_every=1, eval_every=2, eval_batches=1)
    monkeypatch.setattr("data_pipeline.clip_views.StoredClip.poses", None)
    assert training.train(config.lock(), tmp_path / "run").step == 2
    with config.unlocked():
        config.data.tokens, config.steps = "", 3
        config.optimizer.schedule = "constant"
    monkeypatch.undo()
    with pytest.raises(ValueError, match="optimizer.schedule: 'cosine' before"):  # tokens or not is no matter
        training.train(config.lock(), tmp_path / "run", allow_change=["steps"])


def test_pictures_are_not_read_where_all_of_them_was_computed(workdir, data, out, monkeypatch):
    config = resolve.resolve(_config("video_motion", workdir, data, **dict.fromkeys(KINDS, out)))
    monkeypatch.setattr("data_pipeline.image_files.decode_jpeg", None)
    batch = next(build.batches(config, "train"))
    assert {name: batch[name].shape for name in batch} == {
        name: leaf.shape for name, leaf in build.batch_shapes(config).items()
    }
    assert set(batch) == {"latents", "reference_latents", "reference_token", "tokens", "poses"}


def test_a_stopped_computation_goes_on_and_shards_do_not_count(run, data, out, tmp_path, monkeypatch):
    folder, real, written = str(tmp_path), Writer.write, []

    def stopping(self, shard, arrays):
        if len(written) == 2:
            raise KeyboardInterrupt
        real(self, shard, arrays)
        written.append((shard.split, shard.number))

    monkeypatch.setattr(Writer, "write", stopping)
    with pytest.raises(KeyboardInterrupt):
        computing.compute(run, data, folder, ("embeddings",), 8, 1, quiet=True)
    with pytest.raises(ValueError, match="its embeddings are not finished; the same launch.precompute goes on"):
        computed.read(folder, "embeddings")
    first, written[:] = list(written), []
    monkeypatch.setattr(Writer, "write", lambda *a: (real(*a), written.append((a[1].split, a[1].number))))
    computing.compute(run, data, folder, ("embeddings",), 8, 1, quiet=True)
    assert sorted(first + written) == [("test", 0), ("train", 0), ("train", 1), ("train", 2)]
    assert computed.read(folder, "embeddings").shards["train"] == (FRAMES,) * 3
    _assert_same(data, folder, out, "embeddings")


def _assert_same(data, one, other, kind):
    one, other = (sources.from_directory(data, "train", (kind,), made={kind: where}) for where in (one, other))
    for a, b in zip(one, other, strict=True):
        for frame in (0, 7, FRAMES - 1):
            np.testing.assert_allclose(a.computed(kind, frame), b.computed(kind, frame), rtol=1e-5, atol=1e-6)


def test_processes_divide_the_shards_and_the_last_one_finishes(run, data, out, tmp_path, monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    for index in (1, 0):
        monkeypatch.setattr(jax, "process_index", lambda index=index: index)
        computing.compute(run, data, str(tmp_path), ("tokens",), 8, 1, quiet=True)
        if index:
            with pytest.raises(ValueError, match="not finished"):
                computed.read(str(tmp_path), "tokens")
    assert computed.read(str(tmp_path), "tokens").before == run.modules["tokenizer"].reach + 1
    monkeypatch.undo()
    _assert_same(data, str(tmp_path), out, "still_tokens")


def test_another_runs_values_are_not_mixed_in(data, out, other):
    with pytest.raises(ValueError, match="latents: other ones lie there .they differ in weights.; give another --out"):
        computing.compute(loading.load(other, table="data"), data, out, ("latents",), 4, 2**28, quiet=True)


@pytest.mark.parametrize(("name", "fields", "change", "message"), [
    ("motion", ("tokens",), {"parts.tokenizer.source": "run:OTHER"}, "data.tokens: OUT was made by other weights"),
    ("video_motion", ("latents",), {"parts.autoencoder.source": "run:OTHER"}, "config.data.latents: OUT was made by"),
    ("video_motion", ("latents",), {"parts.autoencoder.source": "random"}, "says of no run"),
    ("video_motion", ("embeddings",), {"parts.image_encoder.trainable": (".*",)}, "image_encoder trains in this run"),
    ("video_motion", ("latents",), {"data.height": 32}, "holds .5, 3, 32., the config needs .4, 3, 32."),
    ("video_motion", ("latents",), {"data.augment.flip": 0.5}, "config.data.augment.flip=0.5: changes clips"),
    ("motion", ("tokens",), {"data.augment.stretch": 0.1}, "config.data.augment.stretch=0.1: changes clips"),
    ("video_guider", ("tokens",), {}, "pose_control='pose_guider' reads no tokens"),
    ("motion", ("tokens",), {"data.replay_dir": "DATA"}, "not with config.data.replay_dir"),
])
def test_what_does_not_fit_is_refused(name, fields, change, message, workdir, data, out, other):
    config = _config(name, workdir, data, **dict.fromkeys(fields, out))
    for field, value in change.items():
        *tables, last = field.split(".")
        table = config
        for each in tables:
            table = table[each]
        table[last] = value.replace("OTHER", other).replace("DATA", data) if isinstance(value, str) else value
    with pytest.raises(ValueError, match=message.replace("OUT", out)) as error:
        resolved = resolve.resolve(config)
        holding.check(resolved, run_sources.parts(resolved))
    assert "\n" not in str(error.value)


def test_the_doctor_takes_an_example_as_training_does(workdir, data, out):
    config = _config("motion", workdir, data, tokens=out)
    assert "tokens 8x5x1" in checks_data._example(resolve.resolve(config))


def test_values_of_another_set_are_refused(out, tmp_path):
    other = data_sets.toy(tmp_path, frames=FRAMES, height=40, width=24, train_clips=2)
    with pytest.raises(ValueError, match=f"{out}: its tokens were made of another data set; make it with"):
        sources.from_directory(other, "train", ("tokens",), made={"tokens": out})


def test_what_is_not_there_or_damaged_is_named(out, data, tmp_path):
    with pytest.raises(FileNotFoundError, match=f"{tmp_path}: holds no latents; make it with python -m launch.prec"):
        computed.read(str(tmp_path), "latents")
    shutil.copytree(out, tmp_path / "copy")
    (file,) = Path(tmp_path, "copy", "latents").rglob("*train.array_record*")
    file.write_bytes(file.read_bytes()[:100])
    made = {"latents": str(tmp_path / "copy")}
    clip = sources.from_directory(data, "train", ("latents",), made=made)[0]
    with pytest.raises(ValueError, match=f"record {clip.id}: damaged in {file}"):
        clip.computed("latents", 0)
    about = tmp_path / "copy" / "latents" / "about.json"
    about.write_text(json.dumps({**json.loads(about.read_text()), "format": 99}))
    with pytest.raises(ValueError, match="about.json: not readable .another version's.; delete its folder"):
        computed.read(made["latents"], "latents")


def test_the_command_says_what_it_made(workdir, data, tmp_path):
    flags = [f"--run={workdir}", f"--data={data}", f"--out={tmp_path}/new"]
    done = command_line.run("launch.precompute", *flags, "--kinds=embeddings", "--batch_size=16")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/new: embeddings of {data} by {workdir}, step 1\n")
    assert computed.read(f"{tmp_path}/new", "embeddings").shape == (8,)
    done = command_line.run("launch.precompute", *flags[:1], "--data=NOTHING", flags[2])
    assert done.returncode == 1 and "NOTHING: no data set here" in done.stderr
