"""Examples are files that the app itself would take."""

import numpy as np

from launch.apps import looking, songs
from launch.making import examples
from tests import small_app


def test_each_example_is_a_dancer_with_a_pose_and_a_song(tmp_path):
    made = examples.make(tmp_path, (896, 512), seconds=3)
    assert [example.name for example in made] == ["hiphop", "house", "halftime"]
    look = looking.Looker(small_app.nobody, small_app.SIZE)
    for example in made:
        songs.check(example.song, small_app.LIMITS)
        dancer = look(example.photo, example.pose)
        assert looking.doubts(dancer) == ""
        changed = (looking.drawn(dancer) != dancer.photo).any(axis=-1)
        assert 0.02 < changed.mean() < 0.6 and dancer.photo.std() > 10
    photos = [look(example.photo, example.pose).photo for example in made]
    assert all((photos[0] != other).mean() > 0.3 for other in photos[1:])
    assert np.shape(photos) == (3, *small_app.SIZE, 3)
