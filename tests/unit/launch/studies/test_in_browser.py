"""The page of a study in headless Chromium, as raters see it."""

import json
import re
import time

import pytest

from launch.studies import answers, looking, making, pairing
from launch.studies import key as keys
from tests import browser, studies

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(browser.path() is None, reason="no Chromium here: apt-get install chromium"),
]
LISTED = "JSON.stringify([...document.querySelectorAll('#clips video')].map((video) => video.dataset.clip))"


@pytest.fixture(scope="module")
def chromium():
    with browser.running() as running:
        yield running


@pytest.fixture
def context(chromium):
    with chromium.context() as made:
        yield made


def begin(page, place="Comparison 1 of 3"):
    page.run("document.querySelector('#begin button').click()")
    page.wait(f"document.getElementById('place').textContent === '{place}'")


def shown(page):
    """Clips as they stand on the page."""
    return json.loads(page.run(LISTED))


def watch(page):
    """Plays both clips to their ends, by their keys."""
    for n, letter in enumerate("ab"):
        page.wait(f"document.querySelectorAll('#clips video')[{n}].readyState >= 1")
        page.press(letter)
        page.wait(f"document.getElementById('seen-{n}').textContent === '✓ watched'")


def rate(page, key, system, ties=()):
    """Watches, chooses the clip of this system for every question but for `ties`, and goes on; all by keys."""
    watch(page)
    of = {clip: number for item in key.items for clip, number in item.clips.items()}
    place = [of[clip] for clip in shown(page)].index(system)
    for question in key.questions:
        page.press("0" if question in ties else str(place + 1))
    before = page.run("document.getElementById('place').textContent")
    page.press("Enter")
    page.wait(f"document.getElementById('rate').hidden || document.getElementById('place').textContent !== '{before}'")


def saved(page, text):
    page.wait(f"document.getElementById('saved').textContent === {json.dumps(text)}")


def test_three_pairs_are_rated_over_a_reload_and_a_restart_of_the_server(chromium, context, study):
    key = keys.load(str(study))
    with studies.served(study) as up:
        port = up.server_address[1]
        page = chromium.open(f"http://127.0.0.1:{port}/?rater=P1", context)
        begin(page)
        rate(page, key, 0)
        saved(page, "5 answers stored.")
        page.run("document.querySelector('fieldset input').click()")
        half, draft = shown(page), page.run("document.querySelector('fieldset input:checked').value")
        page.reload()
        begin(page, "Comparison 2 of 3")
        assert shown(page) == half and page.run("document.querySelector('fieldset input:checked').value") == draft
        loaded = page.run("performance.getEntriesByType('resource').filter((e) => e.name.endsWith('.mp4')).length")
        assert loaded <= 4, "clips of other comparisons are not loaded (a clip may come in two parts)"
        watch(page)
    of = {clip: number for item in key.items for clip, number in item.clips.items()}
    theirs = next(clip for clip in half if of[clip] == 1)
    for question in key.questions:  # the server is away
        page.run(f"document.querySelector('input[name={question}][value=\"{theirs}\"]').click()")
    page.run("document.getElementById('next').click()")
    saved(page, "5 answers stored. 5 more wait for the server, kept in this browser.")
    page.wait("document.getElementById('seen-1').textContent === 'waits for the server'")
    with studies.served(study, port) as up, chromium.context() as other:
        page.run("dispatchEvent(new Event('online'))")  # else it tries again by itself, every few seconds
        second = chromium.open(f"http://127.0.0.1:{port}/?rater=P2", other)
        begin(second)
        rate(second, key, 1, ties=["style"])
        rate(page, key, 1)
        saved(page, "15 answers stored.")
        assert "All your answers are stored." in page.run("document.body.innerText")
        saved(second, "5 answers stored.")
        assert not second.complaints()
    found = answers.read(str(study), key)
    assert len(found.answers) == 20 and not found.warnings and {one.rater for one in found.answers} == {"P1", "P2"}
    assert all(min(one.watched) >= 0.9 for one in found.answers)
    table = [line.split() for line in looking.look(str(study), [])]
    told = {(line[0], line[1]): (line[2], line[-1]) for line in table if line[0] in key.questions}
    assert told["beat", "ours"] == ("16.7", "1") and told["beat", "theirs"] == ("83.3", "3")
    assert told["style", "ours"] == ("41.7", "1") and told["style", "theirs"] == ("58.3", "2")


def test_from_a_file_answers_are_kept_and_downloaded(chromium, context, videos, tmp_path):
    paired, study = pairing.pair(videos, None), tmp_path / "one"
    list(making.make(paired._replace(items=paired.items[:1]), str(study), 1))
    key = keys.load(str(study))
    chromium.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path), browserContextId=context)
    page = chromium.open((study / "page" / "index.html").as_uri(), context)
    rater = page.run("document.getElementById('rater').value")
    assert re.fullmatch(r"[a-z0-9]{8}", rater)
    begin(page, "Comparison 1 of 1")
    rate(page, key, 1)
    saved(page, "5 answers, kept in this browser.")
    assert "Please download your answers" in page.run("document.body.innerText")
    page.run("document.getElementById('download').click()")
    file = tmp_path / f"answers-{rater}.jsonl"
    until = time.monotonic() + 10
    while not file.exists() and time.monotonic() < until:
        time.sleep(0.02)
    file.rename(study / "answers" / file.name)
    assert [one.rater for one in answers.read(str(study), key).answers] == [rater] * 5
    assert list(looking.look(str(study), []))[2].split()[:3] == ["identity", "ours", "0.0"]
    assert not page.complaints()


def test_a_changed_answer_counts_and_going_on_needs_all(chromium, context, study):
    key = keys.load(str(study))
    with studies.served(study) as up:
        page = chromium.open(f"http://127.0.0.1:{up.server_address[1]}/?rater=P1", context)
        begin(page)
        page.press("1")
        watch(page)
        page.press("Enter")
        page.wait("document.getElementById('hint').textContent === '4 questions are left.'")
        item = shown(page)
        for _ in range(4):
            page.press("1")
        page.press("Enter")
        saved(page, "5 answers stored.")
        page.run("document.getElementById('back').click()")
        assert shown(page) == item
        page.run(f"document.querySelector('input[name=beat][value=\"{item[1]}\"]').click()")
        page.press("Enter")
        page.wait("document.getElementById('place').textContent === 'Comparison 2 of 3'")
        for _ in range(5):  # not watched
            page.press("1")
        page.press("Enter")
        page.wait("document.getElementById('hint').textContent === 'Watch clip A to its end.'")
        assert page.run("document.getElementById('place').textContent") == "Comparison 2 of 3"
        saved(page, "5 answers stored.")
    found = {one.question: one.choice for one in answers.read(str(study), key).answers}
    assert found == {name: item[name == "beat"] for name in key.questions}
    assert len((study / "answers" / "served.jsonl").read_text().splitlines()) == 6


def test_raters_have_orders_of_their_own(chromium, context, study):
    orders = []
    page = chromium.open("about:blank", context)
    for n in range(8):
        page.go(f"{(study / 'page' / 'index.html').as_uri()}?rater=R{n}")
        begin(page)
        orders.append(shown(page))
    items = {item.id: set(item.clips) for item in keys.load(str(study)).items}
    seen = [next(id_ for id_, clips in items.items() if clips == set(order)) for order in orders]
    assert set(seen) == set(items), "each comparison comes first for someone"
    assert 2 <= sum(order == sorted(order) for order in orders) <= 6, "clips stand on either side"


@pytest.mark.parametrize(("width", "dark"), [(390, True), (390, False), (1280, True)])
def test_the_page_fits_phones_and_both_schemes_and_can_be_read_out(chromium, context, study, width, dark):
    page = chromium.open((study / "page" / "index.html").as_uri(), context, width, 844, dark)
    begin(page)
    assert page.run("document.documentElement.scrollWidth") <= width
    red = int(re.match(r"rgb\((\d+)", page.run("getComputedStyle(document.body).backgroundColor"))[1])
    assert (red < 60) is dark
    assert page.run("Math.min(...[...document.querySelectorAll('.choices label, #next')].map("
                    "(one) => one.getBoundingClientRect().height))") >= 44  # fmt: skip
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    named = {(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node["ignored"]}
    wanted = [("Video", "Clip A"), ("Video", "Clip B"), ("button", "Next"), ("radio", "No difference")]
    wanted += [("group", text) for text in keys.load(str(study)).questions.values()]
    wanted += [("heading", "Comparison 1 of 3"), ("progressbar", "Comparison 1 of 3"), ("group", "Clips")]
    assert not set(wanted) - named
    assert not [role for role, name in named if role in ("Video", "button", "radio", "image", "textbox") and not name]
    assert page.run("document.activeElement.tagName") == "H1", "where a screen reader goes on"


def test_one_clip_sounds_at_a_time_and_one_that_does_not_play_holds_nobody_up(chromium, context, study):
    broken = next((study / "page" / "media").iterdir())
    broken.write_bytes(b"no video")
    page = chromium.open((study / "page" / "index.html").as_uri(), context)
    begin(page)
    while broken.stem in shown(page):
        letters = "ab" if shown(page)[0] != broken.stem else "ba"
        page.wait(f"document.getElementById('seen-{'ab'.index(letters[1])}').textContent === 'does not play here'")
        page.press(letters[0])
        page.wait(f"document.getElementById('seen-{'ab'.index(letters[0])}').textContent === '✓ watched'")
        for _ in range(5):
            page.press("0")
        page.press("Enter")
        page.wait("document.getElementById('place').textContent !== 'Comparison 1 of 3'")
    page.run("document.querySelectorAll('#clips video').forEach((video) => { video.loop = true; })")
    page.press("a")
    page.wait("!document.querySelectorAll('#clips video')[0].paused")
    page.press("b")
    page.wait("JSON.stringify([...document.querySelectorAll('#clips video')].map((v) => v.paused)) === '[true,false]'")
