"""The whole page of small runs, a sweep and clips, by its text and in a browser."""

import html.parser
import re

import numpy as np
import pytest

from data_pipeline import poses, provenance
from data_pipeline.pose_files import save_poses
from launch.reporting import page, samples, writing
from tests import browser, reports
from xdancer_jax import paths

SIZES = [(1280, False), (390, True)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A motion run with a kept clip, a tokenizer, a sweep, and a folder of dances."""
    made = tmp_path_factory.mktemp("report <&>")
    reports.run(made / "motion")
    reports.run(made / "tokenizer", "tokenizer", (reports.POSES, reports.CODES))
    reports.clip(made / "motion" / "evaluation" / "step_6" / "motion" / "clips")
    reports.clip(made / "dances", "song_0", sound=False, beats=False)
    reports.sweep(made / "seeds")
    return made


@pytest.fixture(scope="module")
def written(folder):
    """The report's files over all of it."""
    runs, sweeps, dances = ([str(folder / name) for name in names] for names in (
        ("motion", "tokenizer"), ("seeds",), ("dances",)))  # fmt: skip
    return writing.write(folder / "report.html", writing.gather(runs, sweeps, dances, 4, 60))


class Elements(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def of(self, *tags):
        return [attributes for tag, attributes in self.found if tag in tags]


def test_the_page_names_no_other_file(written):
    text = written[0].read_text()
    sources = [each.get("src") or each.get("href") for each in Elements(text).of("img", "video", "link", "script", "a")]
    assert all(source is None or source.startswith(("data:", "#")) for source in sources)
    assert "@import" not in text and not re.search(r"url\((?!data:|#)", text)


def test_it_has_every_section_and_says_what_pictures_show(written):
    elements = Elements(written[0].read_text())
    assert [each["id"] for each in elements.of("section")] == [
        "runs", "paper", "sweeps", "curves", "samples", "codebooks", "figures", "protocols",
    ]  # fmt: skip
    assert all(each.get("aria-label") for each in elements.of("svg", "video"))
    assert all(each.get("alt") for each in elements.of("img"))
    assert elements.of("html")[0]["lang"] == "en"


def test_every_table_lies_beside_it_in_three_forms(written):
    names = {path.name for path in written[1:]}
    papers = {f"table_{n}" for n in ("1", "2", "3", "4_poses", "4_video")}
    stems = papers | {"overview", "sweep_seeds_motion", "codebooks", "figures_motion", "figures_tokenizer"}
    assert names == {f"{stem}.{suffix}" for stem in stems for suffix in ("csv", "tex", "json")}


def test_names_of_files_are_safe_in_it(folder):
    reports.run(folder / "<b>&")
    text, _ = page.build(writing.gather([str(folder / "<b>&")], [], [], 0, 60))
    assert "&lt;b&gt;&amp;" in text and "<b>" not in text


def test_protocols_stand_in_full(written):
    text = written[0].read_text()
    assert "&quot;sigma_ms&quot;: 100.0" in text and "note: two dances alone" in text and reports.DATA in text


def test_a_sweep_says_how_many_runs_are_finished(written):
    assert "seeds: 3 of 4 runs are finished and measured." in written[0].read_text()


def test_what_has_no_room_is_named(folder):
    text, _ = page.build(writing.gather([str(folder / "motion")], [], [], 4, 0.0))
    assert "<video" not in text and re.search(r"No room in this page \(--megabytes\) for [^<]*a\.mp4", text)


def test_no_more_clips_than_asked_for(folder):
    text, _ = page.build(writing.gather([str(folder / "motion")], [], [], 0, 60))
    assert "<video" not in text and "1 more in " in text


def test_runs_of_one_name_are_told_apart(folder):
    reports.run(folder / "other" / "motion")
    found = writing.gather([str(folder / "motion"), str(folder / "other" / "motion")], [], [], 0, 60)
    assert [entry.name for entry in found.entries] == [f"{folder.name}/motion", "other/motion"]


@pytest.mark.parametrize(
    "runs, sweeps, dances, told",
    [
        ([], [], [], "nothing to report of: give --run, --sweep, --study or --dances"),
        (["motion", "motion/"], [], [], "--run=.*motion is given twice"),
        (["nowhere"], [], [], "nowhere: no such directory"),
        ([], ["motion"], [], "--sweep=.*motion: no sweep there"),
        ([], [], ["motion"], "--dances=.*motion: neither a folder"),
        ([], [], ["nowhere"], "--dances=.*nowhere: neither a folder"),
        (["motion"], ["other"], [], "measured on different data"),
    ],
)
def test_bad_input_is_named(folder, runs, sweeps, dances, told):
    if sweeps == ["other"]:
        reports.sweep(folder / "other", (0.5,), data="e" * 64)
    places = ([f"{folder}/{name}" for name in names] for names in (runs, sweeps, dances))
    with pytest.raises((ValueError, FileNotFoundError), match=told):
        writing.gather(*places, 4, 60)


def test_a_clip_has_its_truth_and_its_skeleton_beside_it(folder):
    (clip,) = samples.listed(paths.at(folder / "dances"))
    assert (clip.made.name, clip.truth.name, clip.dance.name) == ("song_0.mp4", "song_0_truth.mp4", "song_0.npz")
    labels = [each["aria-label"] for each in Elements(samples.shown(clip, samples.Shelf(60), False)).of("video")]
    assert labels == ["song_0, made", "song_0, the real one", "song_0, skeleton"]
    assert "beats of its music unknown" in samples.shown(clip, samples.Shelf(60), True)


def test_a_skeleton_drawn_for_the_page_says_that_a_model_made_the_dance(tmp_path):
    (tmp_path / "a.mp4").write_bytes(samples._skeleton(reports.clip(tmp_path)))
    assert provenance.source_of(tmp_path / "a.mp4") == provenance.GENERATED


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x93NUMPY"])
def test_a_dance_that_is_none_is_named(tmp_path, content):
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match=f"{tmp_path}/a.npz: not a dance"):
        samples.read_dance(paths.at(tmp_path / "a.npz"))


def test_a_pose_file_is_read_in_record_coordinates(tmp_path):
    clip = reports.clip(tmp_path)
    save_poses(tmp_path / "b.npz", poses.denormalise(clip, 56, 32), 25, 56, 32)
    found = samples.read_dance(paths.at(tmp_path / "b.npz"))
    np.testing.assert_allclose(found.poses, clip, atol=1e-5)
    assert (found.fps, found.beats) == (25.0, None)


def test_a_kept_clip_without_poses_has_no_time_line(tmp_path):
    np.savez(tmp_path / "a.npz", fps=1.0, frame_00000=np.zeros(3, np.uint8))
    assert samples.read_dance(paths.at(tmp_path / "a.npz")) is None


@pytest.fixture(scope="module")
def chromium():
    with browser.running() as running:
        yield running


@pytest.mark.browser
@pytest.mark.skipif(browser.path() is None, reason="no Chromium here: apt-get install chromium")
@pytest.mark.parametrize("width, dark", SIZES)
def test_it_fits_the_screen_and_plays(written, chromium, width, dark):
    with chromium.context() as context:
        opened = chromium.open(written[0].as_uri(), context, width, dark=dark)
        assert opened.run("document.documentElement.scrollWidth") <= width
        colours = opened.run("(s => [s.color, s.backgroundColor])(getComputedStyle(document.body))")
        light, other = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in colours)
        assert (light > other) == dark
        opened.run("document.querySelector('button.together').focus()")
        opened.press("Enter")
        clip = "[...document.querySelector('.clip').querySelectorAll('video')]"
        opened.wait(f"{clip}.length > 1 && {clip}.every((video) => video.ended)")
        assert opened.run("document.querySelector('.now').getAttribute('transform')") not in (None, "translate(0 0)")
        assert opened.complaints() == []
