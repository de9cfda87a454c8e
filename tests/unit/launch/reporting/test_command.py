"""launch.report as it is typed, and the pages of the demos."""

import numpy as np
from PIL import Image

from data_pipeline.pose_files import save_poses
from data_pipeline.video_files import write_video
from launch.reporting import bars, demo, train_demo, writing
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


def test_the_training_demos_page_begins_with_what_it_must_reach(tmp_path):
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "frames.png")
    workdirs = [tmp_path / "motion", tmp_path / "video_appearance"]
    reports.run(workdirs[0])
    reports.run(workdirs[1], "video", ())
    page = train_demo.write(tmp_path, workdirs, [bars.Row("beats", 0.6, ">=", 0.5, "bas_masked_100ms")])
    text = page.read_text()
    assert page == tmp_path / "report.html"
    assert text.index("&gt;= 0.5") < text.index('<img alt="For each clip') < text.index('id="paper"')
    assert (tmp_path / "report_tables" / "bars.csv").is_file()


def test_the_demos_page_shows_both_dances_and_what_was_measured(tmp_path):
    pose = np.random.default_rng(0).uniform(0.2, 0.9, (1, 60, 3)).repeat(20, 0).astype(np.float32)
    for name in ("dance", "yours"):
        save_poses(tmp_path / f"{name}_poses.npz", pose, 30, 224, 128)
        write_video(tmp_path / f"{name}.mp4", np.full((20, 32, 32, 3), 90, np.uint8), 30)
    write_video(tmp_path / "dance_skeleton.mp4", np.full((20, 32, 32, 3), 90, np.uint8), 30)
    row = {"figure": "SSIM", "value": 0.8, "low": 0.7, "high": 0.9, "photo": 0.5, "bar": "above the photo's",
           "reached": True, "protocol": "ssim_gaussian"}  # fmt: skip
    given = tmp_path, tmp_path / "dance.mp4", tmp_path / "yours.mp4", {"clips": 16, "figures": [row]}
    text = demo.write(*given).read_text()
    shown = ('id="dance"', 'id="yours"', "docs/weights.md", 'id="model"', "0.7 to 0.9")
    places = [text.index(each) for each in shown]
    assert places == sorted(places) and text.count("<video") == 3
    assert (tmp_path / "report_tables" / "model.csv").is_file()
    alone = demo.write(*given[:2], None, given[3]).read_text()
    assert 'id="yours"' not in alone and 'id="paper"' not in alone and alone.count("<video") == 2


def test_the_page_opens_only_before_a_screen(tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(writing.webbrowser, "open", lambda url: not opened.append(url))
    monkeypatch.setattr(writing.sys, "platform", "linux")
    assert not writing.show(tmp_path / "report.html", {"DISPLAY": ":0"}) and not opened  # no terminal
    monkeypatch.setattr(writing.sys, "stdout", type("Terminal", (), {"isatty": lambda self: True})())
    assert not writing.show(tmp_path / "report.html", {}) and not opened
    assert writing.show(tmp_path / "report.html", {"WAYLAND_DISPLAY": "w"})
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
