import json
import os
import re

import numpy as np
import pytest
from PIL import Image

from data_pipeline.video_files import iter_video
from launch.studies import key as keys
from launch.studies import making, pairing
from tests import studies


def test_a_page_does_not_tell_the_systems(study, videos):
    files = [path for path in (study / "page").rglob("*") if path.is_file()]
    assert len(files) == 4 + 6
    told = [*videos, "ours", "theirs", "one.mp4", "salt", keys.load(str(study)).salt]
    for path in files:
        content = path.read_bytes() + path.name.encode()
        assert not [word for word in told if word.encode() in content], path
    order = sorted((study / "page" / "media").iterdir(), key=lambda path: path.stat().st_mtime_ns)
    assert order == sorted(order), "times of files follow random names, not systems"


def test_the_key_tells_which_clip_is_whose(study, videos):
    key = keys.load(str(study))
    assert key.systems == ["ours", "theirs"] and sorted(item.name for item in key.items) == ["one", "three", "two"]
    for item in key.items:
        for clip, system in item.clips.items():
            shown = next(iter_video(study / "page" / "media" / f"{clip}.mp4")).picture
            np.testing.assert_array_equal(shown, next(iter_video(f"{videos[system]}/{item.name}.mp4")).picture)
            assert item.sizes[clip] == [32, 48]


def test_names_are_drawn_anew_unless_a_seed_is_given(videos):
    paired = pairing.pair(videos, None)
    one, same, other = (making.blinded(paired, salt) for salt in ("1", "1", "2"))
    assert one == same and one.study != other.study
    names = [{name for item in key.items for name in (item.id, *item.clips)} for key in (one, other)]
    assert len(names[0]) == 9 and not names[0] & names[1]
    first = [list(item.clips.values())[0] for salt in range(40) for item in making.blinded(paired, str(salt)).items]
    assert 0.35 < np.mean(first) < 0.65, "the first name of a pair is of either system"


def test_photos_are_shown_without_what_their_files_tell(videos, tmp_path):
    (tmp_path / "photos").mkdir()
    for name in ("one", "two", "three"):
        exif = Image.Exif()
        exif[0x010E] = "by system ours"
        Image.new("RGB", (8, 6), "red").save(tmp_path / "photos" / f"{name}.jpg", exif=exif)
    list(making.make(pairing.pair(videos, str(tmp_path / "photos")), str(tmp_path / "study"), 1))
    photos = list((tmp_path / "study" / "page" / "media").glob("*.jpg"))
    assert len(photos) == 3 and not any(b"ours" in photo.read_bytes() for photo in photos)
    assert "person in the photo" in keys.load(str(tmp_path / "study")).questions["identity"]


def test_what_may_give_systems_away_is_told(videos, tmp_path):
    silent = studies.clips(tmp_path / "silent", ("one",), 1.0, (32, 32), sound=False)
    told = "\n".join(making.make(pairing.pair([videos[0], str(silent)], None), str(tmp_path / "study"), 1))
    assert f"left out: two, not in {silent}" in told
    for line in ("one: clips last 0.[23] to 1.0 s", "one: clips are of 32x32, 32x48", "1 of 2 clips have no sound"):
        assert re.search(line, told), told


def test_a_study_is_made_whole_or_not_at_all(study, videos, tmp_path):
    before = (study / "key.json").read_bytes()
    with pytest.raises(ValueError, match="a study is there"):
        list(making.make(pairing.pair(videos, None), str(study), 2))
    assert (study / "key.json").read_bytes() == before
    broken = studies.clips(tmp_path / "broken")
    (broken / "two.mp4").write_bytes(b"no video")
    with pytest.raises(ValueError, match="two.mp4: cannot be decoded"):
        list(making.make(pairing.pair([videos[0], str(broken)], None), str(tmp_path / "other"), 1))
    assert sorted(os.listdir(tmp_path)) == ["broken", "study"]
    with pytest.raises(ValueError, match="only files of this machine"):
        list(making.make(pairing.pair(videos, None), "gs://bucket/study", 1))
    (tmp_path / "other").mkdir()  # an empty one may be there
    list(making.make(pairing.pair(videos, None), str(tmp_path / "other"), 1))
    with pytest.raises(ValueError, match="is there already; give another"):
        list(making.make(pairing.pair(videos, None), str(broken), 1))


def test_what_the_page_reads_ends_no_script(tmp_path):
    from launch.studies import page

    key = studies.key()._replace(questions={"beat": "</script><b>&amp;"})
    page.write(key, tmp_path)
    [data] = re.findall(r'id="study">(.*?)</script>', (tmp_path / "index.html").read_text(), re.DOTALL)
    assert json.loads(data)["questions"] == [{"id": "beat", "text": "</script><b>&amp;"}]
