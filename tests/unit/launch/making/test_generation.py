import numpy as np
import pytest
from PIL import Image
from scipy.io import wavfile

from configs import autoencoder, video
from data_pipeline import pose_files
from data_pipeline.skeleton import PARTS
from launch.making import dances, generation


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
    song = dances.read_song(_wav(tmp_path / "song.wav", 3, channels=channels, dtype=dtype), shortest=32)
    assert song.features.shape == (90, 35)
    assert np.isfinite(song.features).all() and song.features[:, 0].max() > 1


def test_a_song_shorter_than_a_segment_is_refused_with_both_lengths(tmp_path):
    path = _wav(tmp_path / "short.wav", 1.5)
    with pytest.raises(ValueError, match=r"short.wav: 1.50 s long, shorter than one segment .* \(2.13 s\)"):
        dances.read_song(path, shortest=64)


def test_a_silent_song_is_named(tmp_path):
    with pytest.raises(ValueError, match="song.wav: audio: silent"):
        dances.read_song(_wav(tmp_path / "song.wav", 3, amplitude=0.0), shortest=32)


@pytest.mark.parametrize(("legs", "warnings"), [(0.9, 0), (0.1, 1)])
def test_a_photo_without_legs_is_warned_of_and_used(tmp_path, caplog, legs, warnings):
    pose = np.random.default_rng(0).uniform(20, 80, (1, 60, 3)).astype(np.float32)
    pose[..., 2] = 0.9
    pose[:, list(PARTS["lower_body"]), 2] = legs
    pose_files.save_poses(tmp_path / "pose.npz", pose, 30, 100, 100)
    Image.fromarray(np.zeros((100, 100, 3), np.uint8)).save(tmp_path / "photo.png")
    dancer = generation.read_dancer(str(tmp_path / "photo.png"), str(tmp_path / "pose.npz"), None, (64, 64))
    assert dancer.photo.shape == (64, 64, 3)
    named = [record for record in caplog.records if "photo.png: hips, knees and ankles" in record.getMessage()]
    assert len(named) == warnings


def test_outputs_lie_beside_the_video():
    names = [path.name for path in generation.outputs("a/dance.mp4")]
    assert names == ["dance.mp4", "dance_poses.npz", "dance_skeleton.mp4"]


@pytest.mark.parametrize(("kind", "multiple"), [("tiny", 8), ("paper", 64)])
def test_sizes_are_those_that_the_networks_can_paint(kind, multiple):
    config = video.get_config(f"{kind}_motion")
    config.earlier = {"autoencoder": autoencoder.get_config(kind)}
    assert generation.video_size(None, config) == (config.data.height, config.data.width)
    assert generation.video_size(f"{3 * multiple}x{multiple}", config) == (3 * multiple, multiple)
    for size in (f"{multiple + 4}x{multiple}", f"0x{multiple}", "64", "64x64x3", "-64x64"):
        with pytest.raises(ValueError, match=rf"--size={size}: give HEIGHTxWIDTH, both multiples of {multiple},"):
            generation.video_size(size, config)
