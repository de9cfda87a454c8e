"""The suite of a trained tokenizer, from its command to its files; and windows of clips."""

import json
import shutil

import numpy as np
import pytest

from configs import autoencoder
from data_pipeline import provenance, sources
from launch.figures.data import Data
from launch.runs import loading
from launch.stages import autoencoder as autoencoder_stage
from launch.stages import tokenizer as stage
from launch.suites import kept, reconstruction, running
from launch.suites.kept import TRUTH
from launch.suites.networks import Given
from tests import untrained_run
from xdancer_jax.evals.second_pass import Pass


def said_by(videos):
    """Reconstructions say that a model made them, the true ones say nothing."""
    assert len(videos) == 4
    for path in videos:
        assert provenance.source_of(path) == (None if path.stem.endswith(TRUTH) else provenance.GENERATED), path


def test_a_tokenizers_suite_is_its_figures_and_goes_on_where_it_stopped(trained, data, tmp_path, capsys):
    workdir = str(tmp_path / "run")
    shutil.copytree(trained, workdir)
    chosen = Data(data)
    running.run(workdir, chosen, None, "all", Given({}), "alex", ())
    place = tmp_path / "run" / "evaluation" / "step_2" / "reconstruction"
    found = {path.stem: json.loads(path.read_text()) for path in place.glob("*.json")}
    wanted = stage.figures(loading.load(workdir), chosen)
    assert sorted(found) == sorted(reconstruction.IDS)
    for result in wanted:
        ours = found[result.protocol]
        assert ours["data"] == sources.fingerprint(data) and ours["step"] == 2
        assert ours["weights"].keys() == {"tokenizer"}
        for name, value in result.values.items():
            value = None if np.isnan(value) else value
            assert ours["result"]["values"][name] == (value and pytest.approx(value, rel=1e-5)), name
    files = {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()}
    said_by([path for path in files if path.suffix == ".mp4"])
    assert len(files) == 3 + 2 * 4  # two clips: made and true, .npz and .mp4
    running.run(workdir, chosen, "2", "reconstruction", Given({}), "alex", ())
    assert files == {path: path.stat().st_mtime_ns for path in files}
    assert capsys.readouterr().out.count("there already") == 1  # one figure of three protocols
    gone = [place / "codebook_use.json", next(path for path in files if path.suffix == ".npz")]
    for path in gone:
        path.unlink()
    running.run(workdir, chosen, "all", "all", Given({}), "alex", ())
    assert all(path.exists() for path in gone)


def test_another_suite_and_a_step_that_is_not_there_are_refused(trained, data):
    with pytest.raises(ValueError, match="is a run of the stage tokenizer, whose suite is reconstruction"):
        running.run(str(trained), Data(data), None, "video", Given({}), "alex", ())
    with pytest.raises(ValueError, match="3"):
        running.run(str(trained), Data(data), "3", "all", Given({}), "alex", ())


@pytest.mark.parametrize("frames", [5, 32, 33, 61, 64, 90])
def test_windows_of_one_length_give_what_the_whole_clip_gives(frames):
    reach, lengths = 3, set()
    kernel = np.random.default_rng(0).uniform(size=2 * reach + 1)

    def once(clip):
        lengths.add(len(clip))
        padded = np.pad(clip, ((reach, reach), (0, 0), (0, 0)))  # zeros beyond the ends
        rows = np.stack([np.tensordot(kernel, padded[i : i + 2 * reach + 1], 1) for i in range(len(clip))])
        return Pass(np.round(rows[..., :1]), rows)

    clip = np.random.default_rng(1).uniform(-1, 1, (frames, 2, 3))
    found, whole = reconstruction.in_windows(once, clip, reach), once(clip)
    np.testing.assert_allclose(found.poses, whole.poses, atol=1e-12)
    assert found.tokens.shape == whole.tokens.shape
    lengths.clear()
    reconstruction.in_windows(once, clip, reach)
    assert lengths == {5: {5}, 32: {32}, 33: {32}, 61: {32}, 64: {64}, 90: {64}}[frames]


def test_an_autoencoders_suite_is_its_figures(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    records = [{"id": f"c{i}", "frames": rng.integers(0, 256, (31 + 30 * i, 16, 8, 3), np.uint8)} for i in range(2)]
    config = autoencoder.get_config("tiny")
    config.model.update(block_out_channels=(4, 4, 4), layers_per_block=1, latent_channels=4, norm_groups=2)
    run = loading.load(untrained_run.write(tmp_path / "run", config, 1))
    views = sources.from_arrays(records, ["frames"])
    monkeypatch.setattr(Data, "views", lambda self, fields: [views[0], views[1]])
    place = kept.Place(tmp_path, "reconstruction", 1, {})
    place.clips.mkdir(parents=True)
    clips = reconstruction.keep(run, Data("nowhere"), place)
    said_by(sorted(place.clips.glob("*.mp4")))
    figures = reconstruction.figures(run, Data("nowhere"), place, clips.names, Given({}))
    assert figures[0].ids == ("psnr_float",)
    [psnr] = figures[0].measure()
    assert psnr.counts["frames"] == 5  # one a second, of each clip as many as it has
    reconstruct = autoencoder_stage._reconstruct(run)
    true = [np.stack([views[i].image(at) for at in range(0, views[i].frames, 30)]) for i in range(2)]
    wanted = [-10 * np.log10(np.mean((frame / 255 - made) ** 2))
              for side in true for frame, made in zip(side, reconstruct(side), strict=True)]
    assert psnr.values["score"] == pytest.approx(np.mean(wanted), rel=1e-3)  # what is kept is rounded to 8 bits
