from types import SimpleNamespace

import numpy as np
import pytest

from data_pipeline import music
from launch.figures.data import Data
from launch.stages import motion
from tests import media
from xdancer_jax.evals.motion_set import MotionSet
from xdancer_jax.evals.motion_suite import motion_results

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
    made = [np.concatenate([dance(10 + i, 11), dance(i, 7)[:i]]) for i in range(3)]
    asked = {}

    def choreograph(run, songs, given, frames, seeds):
        asked.update(songs=songs, given=given, frames=frames, seeds=seeds)
        return [SimpleNamespace(poses=poses) for poses in made]

    monkeypatch.setattr(Data, "records", lambda self, fields: records)
    monkeypatch.setattr(motion.dances, "choreograph", choreograph)
    monkeypatch.setattr(motion.dances, "tokens_of", lambda run, poses: poses)
    found = motion.figures(None, Data("nowhere", seed=5))

    beats = [np.zeros(FRAMES + i) for i in range(3)]
    for row, record in zip(beats, records, strict=True):
        row[record["beats"]] = 1
    assert sum(map(np.sum, beats)) >= 12
    names = ["song0", "song1", "song2"]
    real = MotionSet([record["poses"] for record in records], music.FPS, names)
    wanted = motion_results(MotionSet(made, music.FPS, names), real, beats, names)
    np.testing.assert_equal([result.values for result in found], [result.values for result in wanted])
    assert (found[0].protocol, found[-1].protocol) == ("bas_masked_100ms", "jerk_2d_body")
    assert found[0].values["ground_truth"] != found[0].values["score"]
    assert (found[0].counts["shortest"], found[0].counts["longest"]) == (FRAMES, FRAMES + 2)  # no song is cut
    assert (asked["frames"], asked["seeds"]) == (FRAMES + 2, [5, 6, 7])
    for i, (song, start, record) in enumerate(zip(asked["songs"], asked["given"], records, strict=True)):
        np.testing.assert_array_equal(song.features, record["music"])
        assert len(song.features) == FRAMES + i
        np.testing.assert_array_equal(start, record["poses"][:1])
