"""A dance beside a photo, as a video and as an animation."""

import numpy as np
from PIL import Image

from data_pipeline import poses, provenance, toy, video_files
from launch.making import beside
from launch.making.dances import Dance, Song
from launch.making.painting import Dancer

CLIP = toy.make_clip(0, 0, "test", 24, 64, 32)
DANCER = Dancer(CLIP["frames"][0], CLIP["poses"][0])
DANCE = Dance(CLIP["poses"], None)


def test_the_photo_stands_still_beside_a_skeleton_that_dances(tmp_path):
    beside.write_video(tmp_path / "yours.mp4", DANCER, DANCE, Song(np.zeros(20_000, np.float32), None))
    frames = [frame.picture for frame in video_files.iter_video(tmp_path / "yours.mp4")]
    photo, skeleton = (np.stack(frames)[:, 8:, half].astype(float) for half in (slice(0, 30), slice(34, 64)))
    assert len(frames) == 24 and frames[0].shape == (64, 64, 3)
    assert np.abs(photo - photo[0]).mean() < 2 and np.abs(photo[0] - DANCER.photo[8:, :30]).mean() < 12
    assert np.abs(skeleton[-1] - skeleton[0]).mean() > 5
    assert provenance.source_of(tmp_path / "yours.mp4") == provenance.COMPOSITE


def test_an_animation_has_every_second_frame_and_says_what_it_is(tmp_path):
    beside.write_animation(tmp_path / "dance.webp", DANCER, CLIP["frames"], DANCE)
    expected = np.concatenate([DANCER.photo, CLIP["frames"][22], poses.draw(CLIP["poses"][22], 64, 32)], axis=1)
    with Image.open(tmp_path / "dance.webp") as picture:
        assert (picture.format, picture.n_frames, picture.size) == ("WEBP", 12, (96, 64))
        assert provenance.COMPOSITE.encode() in picture.info["xmp"] and picture.info["loop"] == 0
        picture.seek(11)
        assert np.abs(np.asarray(picture.convert("RGB"), float) - expected).mean() < 12
