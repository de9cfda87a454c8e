"""torch's loader gives what ours gives; rates are counted after what lies ready."""

import itertools
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks.measures import frame_folders, loader_speed, start
from benchmarks.measures.frame_folders import Windows
from data_pipeline import sources

SIZES = loader_speed.BRIEF


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    found = start.prepared(folder, SIZES.clips, SIZES.frames, *SIZES.size)
    frame_folders.write(found, "train", folder / "folders")
    return found, folder / "folders"


@pytest.mark.process
@pytest.mark.parametrize("name", loader_speed.cases(SIZES))
def test_both_sides_give_the_same_fields(data, name):
    case = loader_speed.cases(SIZES)[name]
    with loader_speed.ours(data[0], case, 0) as batches:
        own = next(batches)
    windows = Windows(data[1], case.loader, loader_speed.given(data[0], case))
    other = {field: np.stack([windows[i][field] for i in range(case.batch)]) for field in own}
    assert {k: (v.shape, v.dtype) for k, v in own.items()} == {k: (v.shape, v.dtype) for k, v in other.items()}
    for field in own:
        assert abs(own[field].mean() - other[field].mean()) < 0.25 * (own[field].std() + 1e-6) + 2, field


def test_the_folders_hold_the_very_records(data):
    clip = sources.from_directory(data[0], "train", ("poses", "frames"))[1]
    folder = sorted(data[1].iterdir())[1]
    assert (folder / "000007.jpg").read_bytes() == clip.picture(7)
    np.testing.assert_array_equal(np.load(folder / "poses.npy"), clip.poses(0, clip.frames))


def test_a_reference_lies_apart_from_the_frames(data):
    windows = Windows(data[1], "video", {"num_frames": 1, "fields": ("reference", "frames")})
    assert any((windows[i]["reference"] != windows[i]["frames"][0]).any() for i in range(4))


def test_rates_leave_out_what_lay_ready():
    slow, taken = iter(_after(3, 0.01)), []
    sizes = SIZES._replace(ahead=3, seconds=0.1)
    found = loader_speed.rates(slow, map(taken.append, itertools.count()), 5, sizes)
    assert 50 < found[0].rate < 501  # 5 examples each hundredth of a second
    assert found[1].rate > 10 * found[0].rate and len(taken) > 3


def test_processor_seconds_are_those_of_children_too():
    before = loader_speed.processor()
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as child:
        try:
            while loader_speed.processor() < before + 0.3:
                time.sleep(0.02)
            assert time.process_time() < before + 0.2
        finally:
            child.kill()


def _after(ready, seconds):
    for number in itertools.count():
        if number >= ready:
            time.sleep(seconds)
        yield number


def test_without_torch_a_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.setitem(sys.modules, "torch.utils.data", None)
    with pytest.raises(ValueError, match=r"pip install -e '\.\[parity\]'"):
        loader_speed.measure(SIZES)


@pytest.mark.process
def test_a_row_for_each_loader():
    pytest.importorskip("torch", reason="the comparison needs the extra parity")
    found = loader_speed.measure(SIZES)
    assert [row["loader"] for row in found.figures["rows"]] == list(loader_speed.cases(SIZES))
    for row in found.figures["rows"]:
        assert row["ratio"] == pytest.approx(row["ours"] / row["torch"]) and row["ours"] > 0
    assert found.met == all(row["ratio"] >= 1.5 for row in found.figures["rows"] if row["shipped"])
    assert not list(Path.cwd().glob("folders"))
