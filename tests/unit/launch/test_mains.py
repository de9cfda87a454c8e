"""What each main hands on of its flags; the work itself is replaced."""

from types import SimpleNamespace

import jax
import numpy as np
import pytest

from data_pipeline import sources
from launch import stages
from launch.converting import exporting, importing
from launch.figures import watching
from launch.figures.data import Data
from launch.making import dances, estimator_flags, painting
from launch.runs import loading, training
from tests import command_line
from xdancer_jax.train.loop import Summary


class Recorder:
    """Stands in for a function: keeps its arguments by name."""

    def __init__(self, monkeypatch):
        self._monkeypatch = monkeypatch
        self.calls = {}

    def replace(self, module, name, result=None):
        def stand_in(*arguments, **options):
            self.calls[name] = (arguments, options)
            return result

        self._monkeypatch.setattr(module, name, stand_in)


@pytest.fixture
def recorder(monkeypatch):
    return Recorder(monkeypatch)


def train(recorder, *arguments, speed=0.0):
    recorder.replace(training, "train", Summary(0, 2, False, 1.0, speed, 8 * speed, {}))
    done = command_line.run("launch.train", "--config=configs/tokenizer.py:tiny", "--workdir=w", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_train_hands_on_config_workdir_and_the_fields_that_may_change(recorder):
    train(recorder, "--config.steps=3", "--allow_change=seed", "--allow_change=steps")
    (config, workdir), options = recorder.calls["train"]
    assert (config.name, config.steps, config.is_locked, workdir) == ("tokenizer", 3, True, "w")
    assert options == {"allow_change": ("seed", "steps")}
    train(recorder)
    assert recorder.calls["train"][1] == {"allow_change": ()}


def test_train_states_a_speed_only_where_it_was_measured(recorder):
    assert "steps 0 to 2, compiled in 1.0 s" in train(recorder) and "steps/s" not in train(recorder)
    assert "steps 0 to 2, 12.50 steps/s, compiled in" in train(recorder, speed=12.5)


@pytest.fixture
def making(recorder, monkeypatch):
    """recorder over all that makes dances and videos."""
    config = SimpleNamespace(
        model=SimpleNamespace(segment_frames=8, num_parts=5),
        sampling={"temperature": (1.0,), "top_k": (0,), "top_p": (0.9,)},
    )
    run, song = SimpleNamespace(config=config), dances.Song(np.zeros(0), np.zeros((300, 35)))
    recorder.replace(loading, "load_pair", (run, run))
    recorder.replace(loading, "load", run)
    recorder.replace(dances, "read_song", song)
    recorder.replace(dances, "tokens_of", "given")
    recorder.replace(dances, "read_tokens", "read")
    recorder.replace(painting, "video_size", (64, 32))
    recorder.replace(painting, "read_dancer", painting.Dancer(None, np.zeros((60, 3))))
    recorder.replace(painting, "write", ["written"])
    recorder.replace(dances, "write", ["written"])
    recorder.replace(
        painting, "painter",
        SimpleNamespace(stream=lambda *arguments, **options: recorder.calls.update(paint=arguments)),
    )
    monkeypatch.setattr(
        dances, "choreograph", lambda run, songs, *rest, **options: recorder.calls.update(
            choreograph=(rest, options)) or ["dance"] * len(songs),
    )
    return recorder


def test_generate_hands_on_every_flag(making, tmp_path):
    out = str(tmp_path / "d.mp4")
    done = command_line.run(
        "launch.generate", "--image=i.png", "--music=m.wav", "--runs=r", f"--out={out}", "--seconds=2", "--seed=5",
        "--steps=7", "--size=64x32", "--pose=p.npz", "--pose_weights=w", "--temperature=0.5", "--top_k=3",
        "--dtype=bfloat16",
    )
    assert (done.returncode, done.stdout) == (0, "written\n"), done.stderr
    calls = {name: call[0] for name, call in making.calls.items() if name != "paint"}
    assert calls["load_pair"] == ("r",) and calls["read_song"][1:] == ("m.wav",)
    options = making.calls["load_pair"][1]
    assert options["dtype"] == "bfloat16" and options["mesh"].devices.size == jax.device_count()
    assert calls["video_size"][0] == "64x32"
    assert calls["read_dancer"] == ("i.png", "p.npz", estimator_flags.estimator, (64, 32))
    assert calls["painter"][1] == 7 and calls["write"][0] == out
    (given, frames, seeds), options = making.calls["choreograph"]
    assert (given, frames, seeds) == (["given"], 60, [5])
    assert options["sampling"] == dances.Sampling((0.5,), (3,), (0.9,))
    assert making.calls["paint"][2] == 5  # the video's seed too
    assert calls["write"][1] is None  # what paint gave, as it is
    done = command_line.run(
        "launch.generate", "--image=i.png", "--music=m.wav", "--runs=r", f"--out={out}", "--visible_mark"
    )
    assert done.returncode == 0 and making.calls["write"][0][1].__name__ == "marked", done.stderr


def test_generate_refuses_half_a_signature_before_anything_is_read(making, tmp_path):
    done = command_line.run(
        "launch.generate", "--image=i.png", "--music=m.wav", "--runs=r", f"--out={tmp_path}/d.mp4", "--c2pa_key=k.pem"
    )
    assert (done.returncode, done.stderr) == (1, "error: --c2pa_certificate and --c2pa_key go together\n")
    assert making.calls == {}


def test_choreograph_hands_on_every_flag(making, tmp_path):
    done = command_line.run(
        "launch.choreograph", "--run=r", "--music=a.wav", "--music=b.wav", "--image=i.png", f"--out={tmp_path}/o",
        "--seed=3", "--seed=4", "--seconds=1", "--size=64x32", "--pose_weights=w",
        *(f"--top_p={p}" for p in (0.1, 0.2, 0.3, 0.4, 0.5)),
    )
    assert done.returncode == 0, done.stderr
    assert making.calls["load"][0] == ("r", "motion")
    assert making.calls["read_dancer"][0] == ("i.png", None, estimator_flags.estimator, (64, 32))
    (given, frames, seeds), options = making.calls["choreograph"]
    assert (given, frames, seeds) == (["given"] * 4, 30, [3, 4, 3, 4])
    assert options["sampling"].top_p == (0.1, 0.2, 0.3, 0.4, 0.5)
    path, _, _, *size = making.calls["write"][0]
    assert path == tmp_path / "o" / "b_4" and size == [64, 32]


def test_choreograph_goes_on_from_a_file(making, tmp_path):
    flags = ("--run=r", "--music=a.wav", "--continue_from=d.npz", f"--out={tmp_path}/o")
    done = command_line.run("launch.choreograph", *flags)
    assert done.returncode == 0, done.stderr
    assert making.calls["read_tokens"][0][1:] == ("d.npz", (896, 512))
    (given, frames, seeds), _ = making.calls["choreograph"]
    assert (given, frames, seeds) == (["read"], 300, [0]) and "read_dancer" not in making.calls


def test_evaluate_hands_on_every_flag_and_writes_what_was_measured(recorder, monkeypatch, tmp_path):
    recorder.replace(sources, "fingerprint", "f00d")
    run = SimpleNamespace(config=SimpleNamespace(name="toy"), workdir=tmp_path, step=9, features=None)
    recorder.replace(loading, "load", run)
    seen = []
    monkeypatch.setattr(stages, "find", lambda name: SimpleNamespace(figures=lambda *given: seen.append(given) or []))
    done = command_line.run(
        "launch.evaluate", "--run=r", "--data=d", "--split=train", "--clips=3", "--frames=4", "--seed=5",
        "--step=7", f"--out={tmp_path}/f.jsonl",
    )
    assert done.returncode == 0, done.stderr
    assert recorder.calls["load"] == (("r",), {"step": 7})
    [(given, data)] = seen
    assert given is run
    assert (data.directory, data.split, data.clips, data.frames, data.seed) == ("d", "train", 3, 4, 5)
    assert done.stdout.splitlines()[-1] == f"{tmp_path}/f.jsonl"


def test_watch_hands_on_its_flags_and_refuses_those_that_mean_nothing_with_it(recorder):
    recorder.replace(watching, "watch")
    flags = ("--run=r", "--data=d", "--watch", "--split=train", "--clips=3", "--frames=4", "--seed=5")
    done = command_line.run("launch.evaluate", *flags, "--watch_minutes=2.5")
    assert done.returncode == 0, done.stderr
    assert recorder.calls["watch"][0] == ("r", Data("d", "train", 3, 4, 5), 2.5)
    for wrong in ("--step=3", "--out=o.jsonl"):
        done = command_line.run("launch.evaluate", *flags, wrong)
        assert (done.returncode, done.stderr) == (1, f"error: {wrong.split('=')[0]}: not with --watch\n")
    done = command_line.run("launch.evaluate", "--run=r", "--data=d", "--watch_minutes=1")
    assert (done.returncode, done.stderr) == (1, "error: --watch_minutes: only with --watch\n")


def test_prepare_hands_on_every_field(recorder):
    from launch.preparing import sets

    recorder.replace(sets, "prepare", "folder")
    done = command_line.run("launch.prepare", "--data=d", "--config=configs/data.py:toy", "--config.train_clips=2")
    (config, folder), _ = recorder.calls["prepare"]
    assert (done.stdout, folder, config.variant, config.train_clips) == ("folder\n", "d", "toy", 2)


def test_convert_goes_either_way(recorder):
    recorder.replace(importing, "convert", ["made"])
    recorder.replace(exporting, "export", ["written"])
    flags = "--kind=sd-vae", "--source=a", "--out=b"
    assert command_line.run("launch.convert", *flags).stdout == "made\n"
    assert command_line.run("launch.convert", *flags, "--export", "--dtype=float16").stdout == "written\n"
    assert recorder.calls["convert"][0] == ("sd-vae", "a", "b")
    assert recorder.calls["export"][0] == ("sd-vae", "a", "b", "float16")
    done = command_line.run("launch.convert", *flags, "--dtype=float16")
    assert done.returncode == 1 and "--dtype: only with --export" in done.stderr
