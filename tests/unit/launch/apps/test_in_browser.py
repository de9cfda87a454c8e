"""The app in headless Chromium, as visitors see it."""

import json
import re
import time

import numpy as np
import pytest
from PIL import Image

from data_pipeline.pose_files import load_poses
from tests import browser, small_app

pytest.importorskip("gradio", reason="the extra app is not installed: pip install 'xdancer_jax[app]'")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),  # Gradio's own
    pytest.mark.skipif(browser.path() is None, reason="no Chromium here: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def chromium():
    with browser.running() as running:
        yield running


@pytest.fixture(scope="module")
def app(maker):
    """(visits, address) of an app that works."""
    with small_app.opened(maker) as opened:
        yield opened


@pytest.fixture
def context(chromium):
    with chromium.context() as made:
        yield made


@pytest.fixture
def page(chromium, context, app):
    opened = chromium.open(f"{app[1]}/", context)
    ready(opened)
    return opened


def ready(page):
    page.wait("!!document.querySelector('#make') && !!document.querySelector('#photo input[type=file]')")


def give(page, field, path):
    """A file, as chosen in the browser's dialogue."""
    page.wait(f"!!document.querySelector('#{field} input[type=file]')")
    script = f"document.querySelector('#{field} input[type=file]')"
    found = page.call("Runtime.evaluate", expression=script)["result"]["objectId"]
    page.call("DOM.setFileInputFiles", files=[str(path)], objectId=found)


def says(page, name, text):
    """Waits until the text stands at the place of this id."""
    page.wait(f"document.querySelector('#{name}')?.innerText.includes({json.dumps(text)})")


def click(page, name):
    page.wait(f"document.querySelector('#{name}')?.disabled === false")
    page.run(f"document.querySelector('#{name}').click()")


def example(page, number=0):
    page.run(f"document.querySelectorAll('#examples button')[{number}].click()")
    page.wait("document.querySelector('#preview img')?.naturalWidth > 0")
    page.wait("!!document.querySelector('#song audio, #song #waveform, #song .waveform-container')")


def made(page):
    page.wait("document.querySelector('#video video')?.readyState >= 2")


def wait(condition, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.05)


def left(app):
    """Files that visitors have there."""
    folder = app[0].rooms.folder
    return [path.name for path in folder.rglob("*") if path.is_file() and path.parent.name != "examples"]


def test_from_upload_to_a_played_video_whose_files_go_with_the_page(chromium, app, files, tmp_path):
    with chromium.context() as context:
        page = chromium.open(f"{app[1]}/", context)
        ready(page)
        give(page, "photo", files["photo"])
        says(page, "photo-note", "No model bundle here. Another photo may do, or a pose file of this one, below.")
        page.run("document.querySelector('.label-wrap').click()")
        give(page, "pose", files["pose"])
        page.wait("document.querySelector('#preview img')?.naturalWidth === 32")
        assert page.run("document.querySelector('#photo-note').innerText.trim()") == ""
        give(page, "song", files["song"])
        wait(lambda: len(left(app)) == 3)
        click(page, "make")
        made(page)
        sizes = page.run("(v => [v.videoWidth, v.videoHeight, v.duration])(document.querySelector('#video video'))")
        assert sizes[:2] == [32, 64] and sizes[2] == pytest.approx(4, abs=0.1)
        page.run("document.querySelector('#video video').play()")
        page.wait("document.querySelector('#video video').currentTime > 0.3")
        page.wait("document.querySelector('#line .now')?.getAttribute('transform')?.search(/translate.[1-9]/) === 0")
        assert "Synthetic video" in page.run("document.querySelector('#made').innerText")
        assert "music beats" in page.run("document.querySelector('#line').innerText")
        chromium.call(
            "Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path), browserContextId=context
        )
        click(page, "get-video"), click(page, "get-poses")
        wait(lambda: (tmp_path / "dance.mp4").exists() and (tmp_path / "dance_poses.npz").exists())
        assert len(load_poses(tmp_path / "dance_poses.npz").poses) == 120
        assert sorted(left(app)) == sorted(
            [*(path.name for path in files.values()), "dance.mp4", "dance_poses.npz", "dance_skeleton.mp4"]
        )
        asked = page.run("performance.getEntriesByType('resource').map((e) => e.name)")
        assert [name for name in asked if not name.startswith((app[1], "data:", "blob:"))] == []
        assert not page.complaints()
    wait(lambda: left(app) == [])


def test_an_example_is_made_by_two_clicks(page, app):
    example(page, 1)
    click(page, "make")
    made(page)
    assert page.run("document.querySelector('#status').innerText.trim()") == ""
    assert not page.complaints()


def test_a_cancel_stops_the_work_takes_the_files_and_leaves_the_page_usable(page, app):
    example(page)
    set_seconds(page, 30)
    click(page, "make")
    says(page, "status", "%")
    click(page, "cancel")
    says(page, "status", "Cancelled.")
    wait(lambda: not [name for name in left(app) if name.startswith("dance") or name in ("photo", "song", "pose.npz")])
    assert not list(app[0].rooms.folder.glob("rooms/*"))
    set_seconds(page, 1)
    click(page, "make")
    made(page)


def set_seconds(page, seconds):
    script = """(input => {
      Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(input, %s);
      for (const name of ['input', 'change', 'blur']) input.dispatchEvent(new Event(name, {bubbles: true}));
    })(document.querySelector('#seconds input[type=number]'))"""
    page.run(script % seconds)


def test_files_are_refused_beside_their_field(page, app, tmp_path):
    (tmp_path / "photo.png").write_bytes(b"no picture")
    give(page, "photo", tmp_path / "photo.png")
    says(page, "photo-note", "The photo: not a readable image")
    (tmp_path / "song.mp3").write_bytes(b"#EXTM3U\nfile:///etc/passwd\n")
    give(page, "song", tmp_path / "song.mp3")
    says(page, "song-note", "This is no sound that is known here")
    click(page, "make")
    says(page, "photo-note", "The photo: not a readable image")
    assert not page.run("document.querySelector('#cancel')?.offsetParent")
    with_noise = np.random.default_rng(0).integers(0, 255, (700, 700, 3), dtype=np.uint8)
    Image.fromarray(with_noise).save(tmp_path / "large.png")
    page.reload()
    ready(page)
    give(page, "photo", tmp_path / "large.png")
    says(page, "photo-note", "The file has 1.5 MB, and 1 MB is the most; give a smaller one.")


def test_two_people_at_once_wait_in_one_queue(chromium, app, page):
    with chromium.context() as other:
        second = chromium.open(f"{app[1]}/", other)
        ready(second)
        example(page), example(second, 2)
        set_seconds(page, 30), set_seconds(second, 1)
        click(page, "make")
        says(page, "status", "%")
        click(second, "make")
        says(second, "status", "Yours is next.")
        click(page, "cancel")
        says(page, "status", "Cancelled.")
        made(second)
        assert not second.complaints()


def test_who_closes_the_page_waits_no_longer(chromium, app, page):
    with chromium.context() as other:
        gone = chromium.open(f"{app[1]}/", other)
        ready(gone)
        example(gone)
        set_seconds(gone, 30)
        click(gone, "make")
        says(gone, "status", "%")
    wait(lambda: not list(app[0].rooms.folder.glob("rooms/*")))
    example(page)
    set_seconds(page, 1)
    click(page, "make")
    made(page)


@pytest.mark.parametrize(("width", "dark"), [(390, True), (390, False), (1280, True)])
def test_the_page_fits_phones_and_both_schemes_and_can_be_read_out(chromium, context, app, width, dark):
    page = chromium.open(f"{app[1]}/", context, width, 844, dark)
    ready(page)
    example(page)
    assert page.run("document.documentElement.scrollWidth") <= width
    colour = page.run("getComputedStyle(document.body).backgroundColor")
    assert (int(re.match(r"rgba?\((\d+)", colour)[1]) < 60) is dark
    heights = "[...document.querySelectorAll('#examples button, #make')].map((b) => b.getBoundingClientRect().height)"
    assert min(page.run(heights)) >= 44
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    named = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node["ignored"]}
    assert ("button", "Make the dance") in named and ("image", "What the dance begins with") in named
    assert ("heading", "A photo and a song become a dance") in named
    assert not page.complaints()
