import base64
import dataclasses
import html
import io
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_pipeline import filters, pose_files, poses, report_figures, report_page, video_files
from data_pipeline.report_page import Reject, Row
from data_pipeline.skeleton import PARTS

SCORES = {"seconds": 10.0, "second_person": 0.0, "person_box": 0.4, "corner_deviation": 3.0, "quality": None}
LIMITS = dataclasses.asdict(filters.Limits())


def _row(number=0, reasons=(), **known):
    whole = {
        "id": f"clip{number}", "source": f"clip{number}.mp4", "split": "train", "seconds": 36.0, "scores": SCORES,
        "confidence": dict.fromkeys(PARTS, 0.5), "tempo": 120.0, "size": 10**8, "reasons": list(reasons), "counts": {},
    }  # fmt: skip
    return Row(**whole | known)


class _Read(HTMLParser):
    """Tables as lists of rows of text, and what else is looked at; every tag must be closed in its turn."""

    def __init__(self, page):
        super().__init__()
        self.open, self.tables, self.captions, self.attributes, self.text = [], [], [], [], ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.attributes += attributes
        if tag not in ("meta", "img"):
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag == "figcaption":
            self.captions.append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("td", "th"):
            self.tables[-1][-1][-1] += data
        elif self.open and self.open[-1] == "figcaption":
            self.captions[-1] += data
        self.text += data

    def table(self, first):
        return next(table[1:] for table in self.tables if table[0][0] == first)


def _page(rows=(), rejects=(), sheets=(), **settings):
    return _Read(report_page.page(rows, rejects, sheets, settings))


def test_hours_and_disk_are_those_of_the_kept_clips():
    rows = [_row(i) for i in range(50)] + [_row(50, ["nobody"], seconds=1800.0, size=10**9)]
    text = _page([*rows, _row(51, split="test")], [Reject("a.mp4", "a.mp4: no")]).text
    assert "51 of 52 clips are kept: 0.51 of 1.01 hours. 1 file failed." in text
    assert "5.10 GB of disk, 10.00 GB an hour" in text


def test_splits_and_reasons_are_counted():
    rows = [_row(i) for i in range(3)] + [_row(3, split="test"), _row(4, ["too_short"], split="")]
    rows += [_row(5, ["too_short", "camera_moves"]), _row(6, ["no_music"])]
    page = _page(rows, [Reject("x", "broken")] * 4, filters=LIMITS)
    assert page.table("split") == [["train", "3", "0.03"], ["test", "1", "0.01"]]
    assert page.table("reason") == [
        ["failed", "4", ""], ["too_short", "2", "0.02"], ["camera_moves", "1", "0.01"], ["no_music", "1", "0.01"],
    ]  # fmt: skip
    assert "Nothing was dropped." in _page([_row()]).text and "Nothing was dropped." not in page.text


def test_every_filter_says_its_limit_its_numbers_and_whether_it_is_off():
    rows = [_row(scores=SCORES | {"person_box": 0.1}, reasons=["person_small"]), _row(1), _row(2)]
    told = _page(rows, filters=LIMITS | {"quality": None}).table("filter")
    assert told[0] == ["length, s", "at least 5", "3", "10", "too_short", "0"]
    assert told[2] == ["person's box, share of the frame", "at least 0.275", "3", "0.4", "person_small", "1"]
    assert told[3][1] == "at most 20"
    assert told[4] == ["quality of pictures, 0 to 100", "off: no scorer was given", "0", "", "low_quality", "0"]
    assert _page(rows, filters=LIMITS).table("filter")[4][1] == "off: no clip was measured"
    scored = [_row(scores=SCORES | {"quality": 55.0})]
    assert _page(scored, filters=LIMITS).table("filter")[4][1:4] == ["at least 40", "1", "55"]
    assert _page(scored, filters=LIMITS | {"quality": None}).table("filter")[4][1] == "off: no limit was set"


def test_what_is_not_filtered_says_so():
    assert "Clips of this kind are not filtered." in _page([_row(scores={})], music="librosa35").text


def test_filters_are_those_that_drop_clips():
    bad = filters.Scores(1.0, 1.0, 0.0, 99.0, 1.0)
    assert [one.reason for one in report_page._FILTERS] == filters.reasons(bad, filters.Limits())
    assert {one.score for one in report_page._FILTERS} == {one.name for one in dataclasses.fields(filters.Scores)}


def test_there_is_a_histogram_of_every_number_that_was_measured():
    rows = [_row(), _row(1, ["camera_moves"], tempo=None, scores=SCORES | {"corner_deviation": 30.0})]
    captions = _page(rows, filters=LIMITS).captions
    assert captions[0] == "length, s; 1 clip kept, median 10, 1 dropped; at least 5"
    assert captions[3] == "deviation of corner pixels, 8-bit levels; 1 clip kept, median 3, 1 dropped; at most 20"
    assert [caption.split(";")[0] for caption in captions[4:9]] == [
        f"confidence, {part.replace('_', ' ')}" for part in PARTS
    ]
    assert captions[9:] == ["tempo, beats a minute; 1 clip kept, median 120, 0 dropped"]
    assert _page([_row(scores={"seconds": np.nan}, confidence={}, tempo=None)]).captions == []


def test_clips_that_were_not_measured_have_their_length_in_the_histogram():
    captions = _page([_row(scores={}, confidence={}, tempo=None, seconds=12.0)]).captions
    assert captions == ["length, s; 1 clip kept, median 12, 0 dropped"]


def test_names_cannot_write_into_the_page():
    evil = '<script>alert("1")</script>&\udcff'
    row = _row(id=evil, source=evil, reasons=[evil], split=evil, counts={evil: 3})
    whole = report_page.page([row, _row(1, split=evil)], [Reject(evil, evil)], [], {evil: {evil: evil}})
    page = _Read(whole)
    whole.encode()
    assert "<script" not in whole and page.table("clip")[0][0] == evil.replace("\udcff", "?")
    assert page.table("oddity") == [[evil.replace("\udcff", "?"), "1", "3"]]


def test_the_page_needs_no_other_file_and_shows_the_sheets():
    sheets = [np.full((20, 60, 3), level, np.uint8) for level in (0, 200)]
    whole = report_page.page([_row()], [], sheets, {})
    page = _Read(whole)
    assert all(value.startswith("data:image/") for name, value in page.attributes if name in ("src", "href"))
    assert "http" not in re.sub(r'src="[^"]*"', "", whole)
    shown = [base64.b64decode(one) for one in re.findall(r"data:image/jpeg;base64,([^\"]+)", whole)]
    for content, sheet in zip(shown, sheets, strict=True):
        np.testing.assert_allclose(np.asarray(Image.open(io.BytesIO(content)), np.int16), sheet, atol=1)
    assert report_page.page([_row()], [], sheets, {}) == whole


def test_settings_are_told_as_they_are_set():
    page = _page([], filters=LIMITS, spans={"seconds": 0.0, "scenes": False}, size=[896, 512], music="librosa35")
    told = dict(page.table("setting"))
    assert told["spans.scenes"] == "false" and told["size"] == "[896, 512]" and told["music"] == '"librosa35"'
    assert told["filters.person_box"] == "0.275" and len(told) == 11


def test_a_page_of_nothing_is_a_page():
    page = _page([], [Reject("a", "b")])
    assert "0 of 0 clips are kept: 0.00 of 0.00 hours." in page.text and "of disk" not in page.text
    assert page.table("file") == [["a", "b"]]


def test_a_page_of_a_hundred_thousand_clips_is_light():
    rng = np.random.default_rng(0)
    values = rng.gamma(3, 5, (100_000, 2))
    rows = [_row(i, ["nobody"] * (i % 2), seconds=length, scores=SCORES | {"corner_deviation": deviation})
            for i, (length, deviation) in enumerate(values)]
    whole = report_page.page(rows, [Reject("a", "b")] * 1000, [], {"filters": LIMITS})
    page = _Read(whole)
    assert len(whole) < 500_000
    assert len(page.table("clip")) == len(page.table("file")) == 200
    assert "and 49800 more, in rejects.csv" in page.text and "and 800 more, in rejects.csv" in page.text


def test_the_page_of_a_real_dance(tmp_path):
    if not os.environ.get("XDANCER_SAMPLE_DATA"):
        pytest.skip("set XDANCER_SAMPLE_DATA to a folder of sample data to report on a real dance")
    folder = Path(os.environ["XDANCER_SAMPLE_DATA"])
    clip = pose_files.load_poses(folder / "poses/conan_dancing_mediapipe.npz")
    corners, pictures = filters.Corners(), []
    for frame in video_files.iter_video(folder / "video/conan_dancing.mov"):
        corners.add(frame.picture)
        pictures.append(frame.picture)
    scores = filters.Scores(
        7.2, 0.0, filters.person_box(clip.poses, clip.height, clip.width), corners.deviation(0, len(pictures))
    )
    sheet = report_figures.contact_sheet(
        np.stack(pictures[::40]), poses.normalise(clip.poses[::40], clip.height, clip.width)
    )
    reasons = filters.reasons(scores, filters.Limits())
    row = _row(scores=dataclasses.asdict(scores), reasons=reasons, source="conan_dancing.mov")
    whole = report_page.page([row], [], [sheet], {"filters": LIMITS})
    assert sheet.shape == (224, 5 * round(224 / 360 * 640), 3) and html.unescape(whole).count("conan_dancing.mov") == 1
    assert _Read(whole).table("clip")[0][2:] == ["person_small", "7.2", "0", "0.0964", "13.8", ""]
