"""Two real processes, connected by gloo, evaluate, choreograph and generate what one does."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from configs import autoencoder
from data_pipeline import pose_files, video_files
from tests import command_line, data_sets, processes, untrained_run
from tests.unit.launch.making import test_dances, test_painting

pytestmark = [pytest.mark.process, pytest.mark.slow]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Folder of the runs tokenizer, motion, autoencoder and video, of random weights."""
    folder = tmp_path_factory.mktemp("runs")
    test_dances.motion_run(folder, 0)
    first = autoencoder.get_config("tiny")
    first.model.update(block_out_channels=(4, 4, 4), layers_per_block=1, latent_channels=4, norm_groups=2)
    untrained_run.write(folder / "autoencoder", first, 1)
    config = test_painting.video_config("motion")
    for part in config.parts:
        earlier = part in ("autoencoder", "tokenizer")
        config.parts[part].source = f"run:{folder / part}" if earlier else "random"
    untrained_run.write(folder / "video", config, 3)
    return folder


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """A toy set of three test clips: two for process 0."""
    return data_sets.toy(tmp_path_factory.mktemp("toy"), seed=0, train_clips=1, test_clips=3)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """(song of 45 frames, photo, its pose file)."""
    folder = tmp_path_factory.mktemp("files")
    time = np.arange(int(22050 * 1.5)) / 22050
    sound = np.sin(2 * np.pi * 220 * time) * (np.sin(2 * np.pi * 3 * time) > 0)
    wavfile.write(folder / "song.wav", 22050, (2e4 * sound).astype(np.int16))
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)).save(folder / "photo.png")
    pose = np.concatenate([rng.uniform((120, 40), (200, 200), (1, 60, 2)), np.ones((1, 60, 1))], -1)
    pose_files.save_poses(folder / "pose.npz", pose.astype(np.float32), 30, 240, 320)
    return [str(folder / name) for name in ("song.wav", "photo.png", "pose.npz")]


def both(module, *arguments, out):
    """`arguments` with --out of its own for one process, and for two; returns what process 0 and 1 print."""
    one, two = out
    done = command_line.run(module, *arguments, f"--out={one}")
    assert done.returncode == 0, done.stderr
    status, told, wrong = processes.run(module, *arguments, f"--out={two}")
    assert status == [0, 0], "\n".join(wrong)
    return told


@pytest.mark.parametrize("name", ["motion", "video"])
def test_two_processes_evaluate_as_one_does(runs, toy, tmp_path, name):
    out = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
    first, second = both("launch.evaluate", f"--run={runs / name}", f"--data={toy}", "--frames=5", out=out)
    one, two = ([json.loads(line) for line in path.read_text().splitlines()] for path in out)
    assert len(one) == len(two) > 1 and "2 processes" in first and second == ""
    for a, b in zip(one, two, strict=True):
        assert a["source"].pop("time") < b["source"].pop("time")
        assert a == b


def _suite(folder):
    """(results by protocol, arrays of its clips by name) of a suite's folder."""
    found = {path.name: json.loads(path.read_text())["result"] for path in sorted(folder.glob("*.json"))}
    clips = {}
    for path in sorted((folder / "clips").glob("*.npz")):
        with np.load(path, allow_pickle=False) as file:
            clips |= {f"{path.name}/{name}": file[name] for name in ("poses", "tokens") if name in file}
    return found, clips


@pytest.mark.parametrize("name", ["motion", "video"])
def test_a_suite_by_two_processes_and_over_four_devices_is_that_of_one(runs, toy, tmp_path, name):
    for each in ("one", "two", "four"):
        shutil.copytree(runs / name, tmp_path / each)
    arguments = ("--suite=all", f"--data={toy}", "--frames=18", "--weights=random")
    arguments += ("--protocols=psnr_float,flicker_second_difference",) if name == "video" else ()
    done = command_line.run("launch.evaluate", f"--run={tmp_path / 'one'}", *arguments)
    assert done.returncode == 0, done.stderr
    status, _, wrong = processes.run("launch.evaluate", f"--run={tmp_path / 'two'}", *arguments)
    assert status == [0, 0], "\n".join(wrong)
    four = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    with processes.started([[f"--run={tmp_path / 'four'}", *arguments]], [four], "launch.evaluate") as started:
        assert processes.ended(started).statuses == [0]
    folders = [tmp_path / each / "evaluation" / "step_1" / name for each in ("one", "two", "four")]
    (results, clips), *others = map(_suite, folders)
    assert results and clips
    for their_results, their_clips in others:
        assert their_results.keys() == results.keys() and their_clips.keys() == clips.keys()
        for key, array in clips.items():
            np.testing.assert_allclose(their_clips[key], array, atol=1e-4)
        for protocol, result in results.items():
            assert their_results[protocol]["counts"] == result["counts"]
            for value, figure in result["values"].items():
                found = np.float64(their_results[protocol]["values"][value])
                np.testing.assert_allclose(found, np.float64(figure), rtol=1e-3, err_msg=f"{protocol} {value}")


def test_two_processes_divide_dances(runs, files, tmp_path):
    out = tmp_path / "one", tmp_path / "two"
    song, _, pose = files
    told = both(
        "launch.choreograph", f"--run={runs / 'motion'}", f"--music={song}", "--size=64x32", "--seed=0", "--seed=1",
        "--seed=2", f"--continue_from={pose}", out=out,
    )
    names = [sorted(line.rpartition("/")[2] for line in text.split()) for text in told]
    assert names == [[f"song_{i}.{end}" for i in own for end in ("mp4", "npz")] for own in ((0, 2), (1,))]
    for seed in range(3):
        one, two = (pose_files.load_poses(folder / f"song_{seed}.npz") for folder in out)
        np.testing.assert_array_equal(one.tokens, two.tokens)
        np.testing.assert_array_equal(one.poses, two.poses)


def test_two_processes_paint_one_clip(runs, files, tmp_path):
    out = tmp_path / "one.mp4", tmp_path / "two.mp4"
    song, photo, pose = files
    first, second = both(
        "launch.generate", f"--runs={runs}", f"--music={song}", f"--image={photo}", f"--pose={pose}", "--seconds=0.7",
        out=out,
    )
    assert [line.rpartition("/")[2] for line in first.split()] == ["two.mp4", "two_poses.npz", "two_skeleton.mp4"]
    assert second == ""
    one, two = (pose_files.load_poses(tmp_path / f"{name}_poses.npz") for name in ("one", "two"))
    np.testing.assert_array_equal(one.tokens, two.tokens)
    one, two = (np.stack([frame for _, frame in video_files.iter_video(path)]).astype(int) for path in out)
    assert one.shape == two.shape == (21, 16, 8, 3) and one.std() > 1
    np.testing.assert_allclose(two, one, atol=1)  # a window is summed on another device: 1 of 255, once in a while


def test_what_one_process_lacks_ends_both(runs, files, tmp_path):
    song, _, pose = files
    arguments = [f"--run={runs / 'motion'}", f"--music={song}", f"--continue_from={pose}", f"--out={tmp_path / 'o'}"]
    status, _, told = processes.run("launch.choreograph", *arguments, of_second=["--seed=3"])
    assert status == [1, 1]
    assert all("the processes of this run differ: --seed: [3] in process 1 on" in text for text in told)
