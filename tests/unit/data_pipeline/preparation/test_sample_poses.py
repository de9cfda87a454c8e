"""Every stored pose of $XDANCER_SAMPLE_DATA becomes a data set, alone and with all others, or says what it lacks."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from data_pipeline import sources
from tests import data_sets

STATED = {  # what is given with the name of a file that does not state it; frames at 30 fps
    "poses/aistpp/gBR_sBM_cAll_d04_mBR0_ch02_slice0.csv": (":720x1280:30", 150),
    "poses/aistpp/gBR_sBM_cAll_d05_mBR0_ch02_slice3.csv": (":720x1280:30", 150),
    "poses/aistpp/gJS_sBM_cAll_d01_mJS3_ch02_slice4.csv": (":720x1280:30", 150),
    "poses/aistpp/gKR_sBM_cAll_d30_mKR2_ch02_slice6.csv": (":720x1280:30", 150),
    "poses/bvh/cmu1_jumping_jacks.bvh": ("", 125),
    "poses/bvh/rokoko_jesse_dance.bvh": ("", 302),
    "poses/conan_dancing_mediapipe.npz": ("", 215),
    "poses/openpose137.npz": ("", 116),
    "poses/wholebody133_soup.json": (":480x640:24", 51),
    "cases/bom.json": (":288x300:24", 18),
    "cases/empty_frames.json": (":288x300:24", 18),
    "cases/mmpose_demo.json": (":288x300:24", 18),
    "cases/nan_unseen_joint.json": (":288x300:24", 18),
    "cases/openpose_folder": (":288x300:24", 14),
}


@pytest.fixture(scope="module")
def samples():
    if not os.environ.get("XDANCER_SAMPLE_DATA"):
        pytest.skip("set XDANCER_SAMPLE_DATA to a folder of sample data to run on stored poses")
    return Path(os.environ["XDANCER_SAMPLE_DATA"])


def _clips(made: str) -> dict[str, np.ndarray]:
    """Poses by id; both splits of a file together."""
    found: dict[str, list[np.ndarray]] = {}
    for split in ("train", "test"):
        clips = sources.from_directory(made, split, ("poses",))
        for clip in (clips[i] for i in range(len(clips))):
            found.setdefault(clip.id.removesuffix(f"-{split}"), []).append(clip.poses(0, clip.frames))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def test_each_alone_and_all_by_one_list(samples, tmp_path):
    found = [file for folder in ("poses", "cases") for file in (samples / folder).rglob("*")]
    files = {file.relative_to(samples).as_posix() for file in found}
    known = {
        name for name in files
        if Path(name).suffix in (".csv", ".bvh", ".npz", ".json") and "/openpose_folder/" not in name
    } | {"cases/openpose_folder"}
    assert known == set(STATED)
    alone = {}
    for number, (name, (stated, frames)) in enumerate(STATED.items()):
        made = _clips(data_sets.poses(tmp_path / str(number), [f"{samples / name}{stated}"]))
        [(clip, poses)] = made.items()
        assert clip == Path(name).stem and poses.shape == (frames, 60, 3), name
        assert np.isfinite(poses).all() and (poses[..., 2] >= 0).all() and (poses[..., 2] <= 1).all()
        sure = poses[poses[..., 2] > 0.3]
        assert len(sure) > 0.1 * poses.size / 3 and np.abs(sure[:, :2]).max() < 3, name  # within reach of the frame
        alone[clip] = poses
    every = [f"{samples / name}{stated}" for name, (stated, _) in STATED.items()]
    together = _clips(data_sets.poses(tmp_path / "all", every))
    assert together.keys() == alone.keys()
    for name, poses in alone.items():
        np.testing.assert_array_equal(together[name], poses)


def test_what_a_file_does_not_state_is_a_line_each_and_the_others_make_a_set(samples, tmp_path):
    made = data_sets.prepare("poses", tmp_path / "data", {"poses.files": str(samples / "poses")})
    unstated = {Path(name).stem for name, (stated, _) in STATED.items() if stated and name.startswith("poses")}
    assert _clips(made).keys() == {Path(name).stem for name in STATED if name.startswith("poses")} - unstated
    _, *rows = csv.reader((tmp_path / "data" / "poses.report" / "rejects.csv").read_text().splitlines())
    told = {row[0]: row[3] for row in rows}
    assert told.keys() == unstated
    for name, line in told.items():
        lacking = "height, width, fps" if "wholebody" in name else "fps"
        fields = ", ".join(f"config.poses.{field}" for field in lacking.split(", "))
        assert f"does not state its {lacking}; name it as FILE:HEIGHTxWIDTH:FPS in a list, or set {fields}" in line
    fields = {"poses.files": str(samples / "poses"), "poses.height": 480, "poses.width": 640, "poses.fps": 30.0}
    assert len(_clips(data_sets.prepare("poses", tmp_path / "again", fields))) == 9


def test_a_drawing_of_poses_is_no_pose_file(samples, tmp_path):
    with pytest.raises(ValueError, match=r"dwpose_rendering\.mp4: not a pose file, by its suffix") as error:
        data_sets.poses(tmp_path, [samples / "poses" / "dwpose_rendering.mp4"])
    assert "\n" not in str(error.value)
