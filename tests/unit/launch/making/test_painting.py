"""What the commands read, and what the painter makes of small video runs of random weights."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from configs import autoencoder, tokenizer, video
from data_pipeline import image_files, music, pose_files, poses, provenance, video_files
from data_pipeline.feature_sets import FeatureSet
from data_pipeline.schema import FRAMES
from data_pipeline.skeleton import PARTS
from launch.figures import videos
from launch.figures.data import Data
from launch.making import dances, painting
from launch.runs import loading
from launch.stages import video as video_stage
from tests import untrained_run


def _run(segment_frames, features=None):
    """What is needed of a motion run to hear songs for it."""
    config = SimpleNamespace(model=SimpleNamespace(segment_frames=segment_frames))
    return SimpleNamespace(config=config, workdir="out/motion", features=features or music.find("librosa35"))


def _wav(path, seconds, amplitude=0.5, channels=1, dtype=np.int16):
    time = np.arange(int(22050 * seconds)) / 22050
    sound = amplitude * np.sin(2 * np.pi * 220 * time) * (np.sin(2 * np.pi * 2 * time) > 0)
    wave = (sound * np.iinfo(np.int16).max).astype(np.int16)
    if dtype == np.uint8:
        wave = ((wave.astype(np.int32) >> 8) + 128).astype(np.uint8)
    wavfile.write(path, 22050, np.repeat(wave[:, None], channels, axis=1) if channels > 1 else wave)
    return str(path)


@pytest.mark.parametrize(("channels", "dtype"), [(1, np.uint8), (6, np.int16)])
def test_8_bit_and_6_channel_songs_are_read(tmp_path, channels, dtype):
    song = dances.read_song(_run(32), _wav(tmp_path / "song.wav", 3, channels=channels, dtype=dtype))
    assert song.features.shape == (90, 35)
    assert np.isfinite(song.features).all() and song.features[:, 0].max() > 1


def test_a_song_shorter_than_a_segment_is_refused_with_both_lengths(tmp_path):
    path = _wav(tmp_path / "short.wav", 1.5)
    with pytest.raises(ValueError, match=r"short.wav: 1.50 s long, shorter than one segment .* \(2.13 s\)"):
        dances.read_song(_run(64), path)


def test_a_silent_song_is_named(tmp_path):
    with pytest.raises(ValueError, match="song.wav: audio: silent"):
        dances.read_song(_run(32), _wav(tmp_path / "song.wav", 3, amplitude=0.0))


def test_a_song_is_heard_by_the_features_that_the_run_was_trained_on(tmp_path):
    path = _wav(tmp_path / "song.wav", 1.5)
    assert dances.read_song(_run(32, music.find("bailando438")), path).features.shape == (45, 438)
    for other, message in (
        (dataclasses.replace(music.find("librosa35"), version="0"), "librosa35 version 1; .* librosa35 version 0 "),
        (FeatureSet("jukebox4800"), "'jukebox4800': not computed here; choose one of librosa35, bailando438"),
    ):
        with pytest.raises(ValueError, match=f"song.wav: cannot be heard as out/motion has to: .*{message}") as error:
            dances.read_song(_run(32, other), path)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize(("legs", "warnings"), [(0.9, 0), (0.1, 1)])
def test_a_photo_without_legs_is_warned_of_and_used(tmp_path, caplog, legs, warnings):
    pose = np.random.default_rng(0).uniform(20, 80, (1, 60, 3)).astype(np.float32)
    pose[..., 2] = 0.9
    pose[:, list(PARTS["lower_body"]), 2] = legs
    pose_files.save_poses(tmp_path / "pose.npz", pose, 30, 100, 100)
    Image.fromarray(np.zeros((100, 100, 3), np.uint8)).save(tmp_path / "photo.png")
    dancer = painting.read_dancer(str(tmp_path / "photo.png"), str(tmp_path / "pose.npz"), None, (64, 64))
    assert dancer.photo.shape == (64, 64, 3)
    named = [record for record in caplog.records if "photo.png: hips, knees and ankles" in record.getMessage()]
    assert len(named) == warnings


def test_outputs_lie_beside_the_video():
    names = [path.name for path in painting.outputs("a/dance.mp4")]
    assert names == ["dance.mp4", "dance_poses.npz", "dance_skeleton.mp4"]


@pytest.mark.parametrize(("kind", "multiple"), [("tiny", 8), ("paper", 64)])
def test_sizes_are_those_that_the_networks_can_paint(kind, multiple):
    config = video.get_config(f"{kind}_motion")
    config.earlier = {"autoencoder": autoencoder.get_config(kind)}
    assert painting.video_size(None, config) == (config.data.height, config.data.width)
    assert painting.video_size(f"{3 * multiple}x{multiple}", config) == (3 * multiple, multiple)
    for size in (f"{multiple + 4}x{multiple}", f"0x{multiple}", "64", "64x64x3", "-64x64"):
        with pytest.raises(ValueError, match=rf"--size={size}: give HEIGHTxWIDTH, both multiples of {multiple},"):
            painting.video_size(size, config)


SIZE = (16, 8)  # of pictures, in pixels


def video_config(phase):
    """A small config, with the autoencoder and the tokenizer described by small variants."""
    config = video.get_config(f"tiny_{phase}")
    config.model.unet.update(
        block_out_channels=(8,), latent_channels=4, cross_attention_dim=8, norm_groups=2, num_heads=1, temporal_heads=1
    )
    config.model.image_encoder.update(image_size=28, width=8, heads=1, projection_dim=8)
    config.model.motion_decoder.update(block_out_channels=(8,), latent_size=(4, 2), channels=(8,), style_width=8)
    config.model.pose_guider.update(block_out_channels=(8,), channels=(4, 4, 8))
    config.sampler.update(num_steps=2, guidance=2.0, window=4, overlap=1, decode_chunk=3)
    config.data.height, config.data.width = SIZE
    config.data.frames = 1 if phase == "appearance" else 4
    return config


@pytest.fixture(scope="module")
def write(tmp_path_factory):
    """write(phase, **changes) -> work directory of a video run with random weights."""
    folder = tmp_path_factory.mktemp("runs")
    first = autoencoder.get_config("tiny")
    first.model.update(block_out_channels=(4, 4, 4), layers_per_block=1, latent_channels=4, norm_groups=2)
    other = tokenizer.get_config("tiny")
    other.model.update(codebook_size=16, encoder_width=8, decoder_width=8)
    below = {
        "autoencoder": untrained_run.write(folder / "autoencoder", first, 1),
        "tokenizer": untrained_run.write(folder / "tokenizer", other, 2),
    }

    def made(phase, **changes):
        config = video_config(phase)
        config.update(changes)
        for part in config.parts:
            config.parts[part].source = f"run:{below[part]}" if part in below else "random"
        return untrained_run.write(folder / "_".join([phase, *map(str, changes.values())]), config, 3)

    return made


@pytest.fixture(scope="module")
def motion_dir(write):
    return write("motion")


def louder(run):
    """With weights of such a size that photo and poses are seen in the video."""
    return dataclasses.replace(run, params=jax.tree.map(lambda x: (4 * x).astype(x.dtype), run.params))


@pytest.fixture(scope="module")
def run(motion_dir):
    return louder(loading.load(motion_dir, "video"))


@pytest.fixture(scope="module")
def paint(run):
    return painting.painter(run, None)


def dancer(seed=0):
    rng = np.random.default_rng(seed)
    return painting.Dancer(rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8), rng.random((60, 3)).astype(np.float32))


def dance(frames, seed=0):
    rng = np.random.default_rng(seed)
    return dances.Dance(
        rng.random((frames, 60, 3)).astype(np.float32), rng.integers(0, 16, (frames, 5, 1)).astype(np.int32)
    )


def test_the_video_depends_on_photo_dance_and_seed(paint):
    with jax.transfer_guard("disallow"):
        first = paint(dancer(), dance(9), 0)
    assert first.shape == (9, *SIZE, 3) and first.dtype == np.uint8 and first.std() > 1
    np.testing.assert_array_equal(paint(dancer(), dance(9), 0), first)
    others = {"photo": (dancer(1), dance(9), 0), "dance": (dancer(), dance(9, 1), 0), "seed": (dancer(), dance(9), 1)}
    for name, arguments in others.items():
        assert (paint(*arguments) != first).mean() > 0.02, name


def test_frames_come_one_after_the_other_as_well(paint):
    frames = list(paint.stream(dancer(), dance(9), 0))
    np.testing.assert_array_equal(np.stack(frames), paint(dancer(), dance(9), 0))


def test_skeletons_are_drawn_when_asked_for():
    of, numbers = dance(5).poses, np.array([[4, 0, 4]])
    drawn = painting._Drawn(of, *SIZE)
    np.testing.assert_array_equal(drawn[numbers], poses.draw(of, *SIZE)[numbers])
    assert len(drawn) == 5


def test_the_video_is_written_from_a_stream_of_frames(tmp_path, monkeypatch):
    written = {}

    def write_video(path, frames, *rest, source):
        written[path.name] = (len(list(frames)), source)

    monkeypatch.setattr(video_files, "write_video", write_video)
    song = dances.Song(np.zeros(100, np.int16), np.zeros((5, 35)))
    paths = painting.write(str(tmp_path / "d.mp4"), iter(np.zeros((5, *SIZE, 3), np.uint8)), dancer(), dance(5), song)
    generated = (5, provenance.GENERATED)
    assert written == {"d.mp4": generated, "d_skeleton.mp4": generated} and paths[1].exists()


def test_steps_are_those_asked_for(run, paint):
    assert (painting.painter(run, 3)(dancer(), dance(4), 0) != paint(dancer(), dance(4), 0)).any()


def test_a_run_is_painted_in_the_dtype_asked_for(motion_dir, paint):
    """Weights, activations and kept pose features are bfloat16; the tokenizer's are not, nor moments of latents."""
    half = louder(loading.load(motion_dir, "video", dtype="bfloat16"))
    kinds = {name: {leaf.dtype for leaf in jax.tree.leaves(tree)} for name, tree in half.params.items()}
    assert kinds.pop("tokenizer") == {jnp.dtype("float32")} and set.union(*kinds.values()) == {jnp.dtype("bfloat16")}
    found = painting.painter(half, None)(dancer(), dance(9), 0).astype(int)
    off = np.abs(found - paint(dancer(), dance(9), 0))
    assert off.max() > 0 and off.mean() < 4  # of 255
    networks = video_stage.networks(half.config)
    batch = {"poses": jnp.zeros((1, 4, 60, 3)), "tokens": jnp.zeros((1, 4, 5, 1), jnp.int32)}
    features = jax.eval_shape(lambda p, e: networks.residuals(p, e, batch, (4, 2)), half.params, half.extra)
    assert {leaf.dtype for leaf in jax.tree.leaves(features)} == {jnp.dtype("bfloat16")}


@pytest.fixture(scope="module")
def records():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (2, 7, *SIZE, 3), dtype=np.uint8)
    return [
        {"poses": rng.random((7, 60, 3)).astype(np.float32), FRAMES: [image_files.encode_jpeg(x) for x in frames]}
        for frames in pictures
    ]


@pytest.mark.parametrize("control", ["none", "pose_guider"])
def test_appearance_runs_paint_the_middle_of_clips_from_their_first_frames(write, records, monkeypatch, control):
    run = loading.load(write("appearance", pose_control=control), "video")
    monkeypatch.setattr(Data, "records", lambda self, fields: [{name: x[name] for name in fields} for x in records])
    again = painting.painter(run, None)
    monkeypatch.setattr(painting, "painter", lambda of, steps: again)  # compiled once
    made = videos.self_driven(run, Data("nowhere", frames=3, seed=4))
    for record, (frames, target, photo) in zip(records, made, strict=True):
        decoded = [image_files.decode_jpeg(x) for x in record[FRAMES]]
        np.testing.assert_array_equal(photo, decoded[0])
        np.testing.assert_array_equal(target, decoded[2:5])
        assert frames.shape == (3, *SIZE, 3)
        middle = dances.Dance(record["poses"][2:5], None)
        np.testing.assert_array_equal(frames, again(painting.Dancer(photo, record["poses"][0]), middle, 4))
        drawn = poses.draw(middle.poses, *SIZE)
        assert control == "none" or drawn.max() > 0
