from types import SimpleNamespace

import numpy as np
import pytest

from data_pipeline import music
from launch.figures.data import Data
from launch.stages import motion
from tests import media
from xdancer_jax.evals.beat_alignment import BAS_BAILANDO_2D, BAS_MINT_2D, beat_alignment_report
from xdancer_jax.evals.diversity import KineticFeatures, diversity_report

FRAMES, RATE = 90, 16000


def dance(seed, period):
    """A clip whose joints turn round every `period` frames."""
    rng = np.random.default_rng(seed)
    swing = np.sin(np.arange(FRAMES)[:, None] * np.pi / period + rng.uniform(0, 0.3, 60))
    poses = np.ones((FRAMES, 60, 3), np.float32)
    poses[..., 0] = rng.uniform(-1, 1, 60) + 0.3 * swing
    poses[..., 1] = rng.uniform(-1, 1, 60)
    return poses


@pytest.fixture
def records():
    """Three clips of different lengths, a click every 15 frames of their sound; features tell nothing of it."""
    found = []
    for i in range(3):
        features = np.random.default_rng(i).uniform(0, 1, (FRAMES + i, 35)).astype(np.float32)
        sound = np.roll(media.clicks((FRAMES + i) / 30, RATE), 100 * i)
        poses = np.concatenate([dance(i, 15), np.repeat(dance(i, 15)[-1:], i, axis=0)])
        found.append({"poses": poses, "music": features, "song": f"song{i}", "fps": 30,
                      "beats": music.beats(sound, RATE, FRAMES + i)})
    return found


def test_generated_dances_stand_beside_the_real_ones(records, monkeypatch):
    made = [dance(10 + i, 11) for i in range(3)]
    asked = {}

    def choreograph(run, songs, given, frames, seeds):
        asked.update(songs=songs, given=given, frames=frames, seeds=seeds)
        return [SimpleNamespace(poses=poses) for poses in made]

    monkeypatch.setattr(Data, "records", lambda self, fields: records)
    monkeypatch.setattr(motion.dances, "choreograph", choreograph)
    monkeypatch.setattr(motion.dances, "tokens_of", lambda run, poses: poses)
    found = motion.figures(None, Data("nowhere", seed=5))

    real = [record["poses"][:FRAMES] for record in records]
    beats = np.zeros((3, FRAMES))
    for row, record in zip(beats, records, strict=True):
        row[record["beats"][record["beats"] < FRAMES]] = 1
    assert beats.sum() >= 12
    names = ["song0", "song1", "song2"]
    wanted = [
        beat_alignment_report(protocol, made, beats, music.FPS, songs=names, ground_truth=real)
        for protocol in (BAS_BAILANDO_2D, BAS_MINT_2D)
    ] + [diversity_report(KineticFeatures(), made, real, music.FPS)]
    np.testing.assert_equal([result.values for result in found], [result.values for result in wanted])
    assert found[0].values["ground_truth"] != found[0].values["score"]
    assert found[2].values["ground_truth"] != found[2].values["diversity"]
    assert (asked["frames"], asked["seeds"]) == (FRAMES, [5, 6, 7])
    for song, start, record in zip(asked["songs"], asked["given"], records, strict=True):
        np.testing.assert_array_equal(song.features, record["music"][:FRAMES])
        np.testing.assert_array_equal(start, record["poses"][:1])
