from pathlib import Path

import numpy as np
import pytest

from data_pipeline import image_files, inspection, sources
from data_pipeline.record_files import DamagedError, RecordFiles
from tests import command_line, data_sets


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    return data_sets.toy(tmp_path_factory.mktemp("data"), frames=45)


def test_figures_are_those_of_the_clips(toy):
    first, train, *rest = inspection.lines(toy, 10)
    assert first.startswith(f"{toy}: pictures 32x16, music librosa35 version")
    assert sources.fingerprint(toy)[:16] in first
    assert train == "train: 3 clips, 3 songs, 0.00125 h; seconds a clip 1.5 to 1.5, median 1.5"
    assert rest[0].startswith("  3 clips looked at: mean confidence upper_body ")
    assert any(line.startswith("test: 1 clips") for line in rest)
    files = [file for part in ("clips", "poses", "pictures", "songs") for file in Path(toy, part).rglob("*.*")]
    per_hour = sum(file.stat().st_size for file in files if file.is_file()) / 1e9 / (4 * 45 / 108000)
    assert rest[-1].endswith(f"; {per_hour:.2f} GB an hour of footage")


def test_only_some_clips_are_read(toy):
    assert "  1 clips looked at" in "\n".join(inspection.lines(toy, 1))


def test_a_row_of_the_sheet_is_a_clip_with_its_skeleton(toy):
    sheet = inspection.sheet(toy, "train", 2)
    assert sheet.shape == (2 * 32, 6 * 16, 3) and sheet.dtype == np.uint8
    clip = sources.from_directory(toy, "train", ("frames",))[0]
    assert not np.array_equal(sheet[:32, :16], clip.image(0))  # there are limbs on it


def test_a_set_of_poses_is_drawn_on_black(tmp_path, toy):
    poses = sources.from_directory(toy, "train", ("poses",))[0].poses(0, 45)
    file = tmp_path / "a.npz"
    np.savez(file, poses=poses, height=100, width=50, fps=30.0)
    made = data_sets.poses(tmp_path / "set", [file], held_out=0.5)
    found = "\n".join(inspection.lines(made, 10))
    assert "no pictures, no music" in found and "beats" not in found
    assert inspection.sheet(made, "train", 1).shape == (224, 6 * 128, 3)


def test_damaged_clips_are_named_and_left_out(toy, monkeypatch):
    lost = sources.from_directory(toy, "train", ("poses",))[1].id
    whole = RecordFiles.read

    def read(self, row, clip):
        if clip == lost:
            raise DamagedError(f"record {clip}: damaged in FILE")
        return whole(self, row, clip)

    monkeypatch.setattr(RecordFiles, "read", read)
    found = list(inspection.lines(toy, 10))
    assert f"  record {lost}: damaged in FILE" in found and "  2 clips looked at" in "\n".join(found)
    assert inspection.sheet(toy, "train", 3).shape[0] == 2 * 32


@pytest.mark.parametrize(("arguments", "message"), [
    (["--data=NOTHING"], "NOTHING: no data set here"), ([], "--data is missing"),
    (["--data=TOY", "--split=valid"], "has no split 'valid'; it has test, train"),
    (["--data=TOY", "--out=sheet.jpg"], "--out=sheet.jpg: the picture's name ends in .png"),
])
def test_bad_flags_are_one_line(toy, arguments, message):
    done = command_line.run("launch.inspect_data", *[each.replace("TOY", toy) for each in arguments])
    assert done.returncode == 1 and message in done.stderr and "Traceback" not in done.stderr


def test_the_command_writes_the_sheet(toy, tmp_path):
    done = command_line.run("launch.inspect_data", f"--data={toy}", f"--out={tmp_path}/new/sheet.png", "--clips=1")
    assert done.returncode == 0 and done.stdout.endswith(f"footage\n{tmp_path}/new/sheet.png\n")
    assert image_files.read_image(tmp_path / "new" / "sheet.png").shape == (32, 96, 3)
