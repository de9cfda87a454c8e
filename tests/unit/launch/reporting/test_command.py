"""launch.report as it is typed, and the demo's own page."""

import numpy as np
from PIL import Image

from launch.reporting import bars, demo
from tests import command_line, reports
from xdancer_jax.evals.protocols import Result


def test_it_writes_the_page_and_prints_its_path(tmp_path):
    run = reports.run(tmp_path / "motion")
    done = command_line.run("launch.report", f"--run={run}", f"--out={tmp_path}/page.html")
    assert (done.returncode, done.stdout) == (0, f"{tmp_path}/page.html\n"), done.stderr
    assert (tmp_path / "page_tables" / "table_1.csv").is_file()


def test_bad_input_is_one_line_and_writes_nothing(tmp_path):
    for given, told in (
        ((f"--out={tmp_path}/page.pdf",), "must end in .html"),
        ((f"--out={tmp_path}/page.html",), "nothing to report of"),
        ((f"--out={tmp_path}/page.html", f"--run={tmp_path}/nowhere"), "nowhere: no such directory"),
    ):
        done = command_line.run("launch.report", *given)
        assert done.returncode == 1 and told in done.stderr and len(done.stderr.splitlines()) == 1, done.stderr
    assert not list(tmp_path.iterdir())


def test_the_demos_page_begins_with_what_it_must_reach(tmp_path):
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "frames.png")
    workdirs = [tmp_path / "motion", tmp_path / "video_appearance"]
    reports.run(workdirs[0])
    reports.run(workdirs[1], "video", ())
    page = demo.write(tmp_path, workdirs, [bars.Row("beats", 0.6, ">=", 0.5, "bas_masked_100ms")])
    text = page.read_text()
    assert page == tmp_path / "report.html"
    assert text.index("&gt;= 0.5") < text.index('<img alt="For each clip') < text.index('id="paper"')
    assert (tmp_path / "report_tables" / "bars.csv").is_file()


def test_the_page_opens_only_before_a_screen(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(demo.webbrowser, "open", lambda url: not opened.append(url))
    monkeypatch.setattr(demo.sys, "platform", "linux")
    assert not demo.show(tmp_path / "report.html", {"DISPLAY": ":0"}) and not opened  # no terminal
    monkeypatch.setattr(demo.sys, "stdout", type("Terminal", (), {"isatty": lambda self: True})())
    assert not demo.show(tmp_path / "report.html", {}) and not opened
    assert demo.show(tmp_path / "report.html", {"WAYLAND_DISPLAY": "w"})
    assert opened == [f"file://{tmp_path}/report.html"]


def test_the_bars_are_a_table_of_the_page():
    found = bars.rows({
        "tokenizer": [
            Result("p", {}, {"full_body": 0.02, "full_body/ratio": 0.12}), Result("c", {}, {"head/used": 0.4}),
        ],
        "tokenizer_single_part": [Result("p", {}, {"full_body": 0.04})],
        "motion": [Result("b", {}, {"fraction": 0.7})],
    })  # fmt: skip
    table = bars.as_table(found)
    assert [cells[2].words for _, cells in table.rows] == ["reached", "reached", "not reached", "reached"]
