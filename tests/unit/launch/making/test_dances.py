"""Dances by command from a tiny motion run of random weights."""

import jax
import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from scipy.io import wavfile

from configs import motion, tokenizer
from data_pipeline import audio_files, pose_files, poses, provenance, video_files
from launch.making import dances, sampling_flags
from launch.runs import loading
from launch.shell import outputs
from tests import command_line, untrained_run
from xdancer_jax.stages import motion_sampling
from xdancer_jax.stages.motion_sampling import Sampling

OVERLAP, SEGMENT = 2, 8


def motion_run(folder, seed):
    """A motion run over a tokenizer of its own."""
    made = tokenizer.get_config("tiny")
    made.model.update(codebook_size=16, encoder_width=8, decoder_width=8)
    config = motion.get_config("tiny")
    config.model.update(codebook_size=16, width=16, num_heads=2, segment_frames=SEGMENT)
    config.overlap_frames = OVERLAP
    config.data.previous = 8
    config.parts.tokenizer.source = f"run:{untrained_run.write(folder / 'tokenizer', made, seed)}"
    return untrained_run.write(folder / "motion", config, seed + 1)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    return motion_run(tmp_path_factory.mktemp("run"), 0)


@pytest.fixture(scope="module")
def run(workdir):
    return loading.load(workdir, "motion")


@pytest.fixture(scope="module")
def songs(tmp_path_factory):
    """Two songs of 45 and 60 frames."""
    folder = tmp_path_factory.mktemp("songs")
    for name, seconds, pitch in (("one", 1.5, 220), ("two", 2.0, 880)):
        time = np.arange(int(22050 * seconds)) / 22050
        sound = np.sin(2 * np.pi * pitch * time) * (np.sin(np.pi * pitch / 80 * time) > 0)
        wavfile.write(folder / f"{name}.wav", 22050, (2e4 * sound).astype(np.int16))
    return [str(folder / f"{name}.wav") for name in ("one", "two")]


@pytest.fixture(scope="module")
def pose_file(tmp_path_factory):
    xy = np.random.default_rng(0).uniform((120, 40), (200, 200), size=(1, 60, 2))
    path = tmp_path_factory.mktemp("pose") / "photo.npz"
    pose_files.save_poses(path, np.concatenate([xy, np.ones((1, 60, 1))], -1).astype(np.float32), 30, 240, 320)
    return str(path)


def command(*arguments):
    return command_line.run("launch.choreograph", "--size=64x32", *arguments)


def dance_on(run, song, given, seed, frames=10**6):
    with jax.transfer_guard("disallow"):  # weights lie on devices; tokens are put and fetched explicitly
        [dance] = dances.choreograph(run, [dances.read_song(run, song)], [given], frames, [seed], quiet=True)
    return dance


def test_every_song_is_danced_with_every_seed_at_its_own_length(workdir, run, songs, pose_file, tmp_path):
    out = tmp_path / "new" / "out"
    music = [f"--music={song}" for song in songs]
    done = command(
        f"--run={workdir}", *music, "--seed=0", "--seed=7", f"--continue_from={pose_file}", f"--out={out}",
        "--top_p=0.9",
    )
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == sorted(str(x) for x in out.iterdir())
    assert sorted(x.name for x in out.iterdir()) == sorted(
        f"{song}_{seed}.{suffix}" for song in ("one", "two") for seed in (0, 7) for suffix in ("npz", "mp4")
    )
    files = {(song, seed): out / f"{song}_{seed}.npz" for song in ("one", "two") for seed in (0, 7)}
    tokens = {key: pose_files.load_poses(path).tokens for key, path in files.items()}
    assert {key: len(x) for key, x in tokens.items()} == {(s, d): {"one": 45, "two": 60}[s] for s, d in tokens}
    assert (tokens["one", 0] != tokens["one", 7]).any() and (tokens["one", 0] != tokens["two", 0][:45]).any()
    assert {provenance.source_of(path.with_suffix(".mp4")) for path in files.values()} == {provenance.GENERATED}
    times, pictures = zip(*video_files.iter_video(out / "two_7.mp4"), strict=True)
    assert np.shape(pictures) == (60, 64, 32, 3) and np.max(pictures) > 100
    np.testing.assert_allclose(times, np.arange(60) / 30, atol=1e-6)
    assert len(audio_files.read_audio(out / "two_7.mp4", 22050)) == pytest.approx(44100, abs=2048)
    # a dance of a batch is that of the song by itself
    song, given = dances.read_song(run, songs[0]), dances.read_tokens(run, pose_file, (64, 32))
    sampling = Sampling(**{**run.config.sampling, "top_p": (0.9,)})
    [alone] = dances.choreograph(run, [song], [given], 10**6, [7], sampling=sampling, quiet=True)
    np.testing.assert_array_equal(alone.tokens, tokens["one", 7])
    clip = pose_files.load_poses(files["one", 7])
    np.testing.assert_allclose(poses.normalise(clip.poses, 64, 32), alone.poses, atol=1e-5)


def test_a_written_dance_goes_on_with_its_own_tokens(workdir, run, songs, pose_file, tmp_path):
    photo, cut = dances.read_tokens(run, pose_file, (64, 32)), OVERLAP + 4 * (SEGMENT - OVERLAP)
    whole, short = (dance_on(run, songs[1], photo, 5, frames) for frames in (10**6, cut))
    assert len(short.tokens) == cut
    dances.write_poses(tmp_path / "short.npz", short, 64, 32)
    given = dances.read_tokens(run, str(tmp_path / "short.npz"), (64, 32))
    again = dance_on(run, songs[1], given, 5)  # cut where a segment ends: as if it had not been
    np.testing.assert_array_equal(again.tokens, whole.tokens)
    with pytest.raises(ValueError, match="60 frames are given, the shortest dance has 45: nothing is left to make"):
        dance_on(run, songs[0], whole.tokens, 5)
    done = command(
        f"--run={workdir}", f"--music={songs[0]}", f"--continue_from={tmp_path / 'none.npz'}",
        f"--out={tmp_path / 'none'}",
    )
    assert done.returncode != 0 and "none.npz" in done.stderr and done.stderr.count("\n") == 1
    assert not (tmp_path / "none").exists()


@pytest.fixture
def dance(run, pose_file, tmp_path):
    """A function that writes a dance's file with other tokens."""
    given = dances.read_tokens(run, pose_file, (64, 32))

    def write(change):
        tokens = np.repeat(given, 3, axis=0)
        decoded = motion_sampling.poses_of(*dances._tokenizer(run), tokens[None])[0]
        dances.write_poses(tmp_path / "dance.npz", dances.Dance(decoded, change(tokens)), 64, 32)
        return str(tmp_path / "dance.npz")

    return write


def test_tokens_of_a_file_are_held_against_the_run(run, dance, tmp_path):
    kept = dances.read_tokens(run, dance(lambda x: x), (64, 32))
    assert kept.shape == (3, 5, 1)
    with pytest.raises(ValueError, match=r"dance.npz: tokens\[0, 0, 0\] is 16, outside \[0, 16\)"):
        dances.read_tokens(run, dance(lambda x: np.full_like(x, 16)), (64, 32))
    with pytest.raises(ValueError, match=r"dance.npz: tokens: shape \(3, 5, 2\), expected"):
        dances.read_tokens(run, dance(lambda x: np.concatenate([x, x], -1)), (64, 32))
    with pytest.raises(ValueError, match=r"dance.npz: tokens \(2, 5, 1\) beside 3 poses"):
        dance(lambda x: x[:2])  # what cannot be read back is not written
    other = loading.load(motion_run(tmp_path, 10), "motion")
    with pytest.raises(ValueError, match="dance.npz: its tokens are of another tokenizer than that of .*motion"):
        dances.read_tokens(other, dance(lambda x: x), (64, 32))


def test_sampling_flags_replace_the_runs_values(run):
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()  # parsing would ask for the required flags of all that other tests import
    assert sampling_flags.sampling(run.config) == Sampling(**run.config.sampling)
    with flagsaver.flagsaver(top_k=[1, 2, 3, 4, 5], temperature=[0.5]):
        assert sampling_flags.sampling(run.config) == Sampling((0.5,), (1, 2, 3, 4, 5), run.config.sampling.top_p)
    for name, value, said in (
        ("temperature", [0.0], "temperature > 0"), ("temperature", [-1.0], "temperature > 0"),
        ("temperature", [float("nan")], "temperature > 0"), ("top_p", [1.5], "0 < top_p <= 1"),
        ("top_k", [1, 2], "one for each of the 5 parts"),
    ):
        with flagsaver.flagsaver(**{name: value}), pytest.raises(ValueError, match=said):
            sampling_flags.sampling(run.config)


def test_two_dances_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two dances would be named a_0"):
        dances.outputs("out", ["x/a.mp3", "y/a.ogg"], [0])
    with pytest.raises(ValueError, match="two dances would be named a_0"):
        dances.outputs("out", ["a.mp3"], [0, 0])


def test_frames_of_a_pose_file_are_taken_at_30_fps(pose_file, run, tmp_path):
    clip = pose_files.load_poses(pose_file)
    pose_files.save_poses(tmp_path / "slow.npz", np.repeat(clip.poses, 4, axis=0), 10, 240, 320)
    assert dances.read_tokens(run, str(tmp_path / "slow.npz"), (64, 32)).shape == (10, 5, 1)


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="--out=.*file/out: cannot make this folder: Not a directory"):
        outputs.make_folder(str(tmp_path / "file" / "out"))
