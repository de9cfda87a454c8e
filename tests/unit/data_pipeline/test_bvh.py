import os
from pathlib import Path

import numpy as np
import pytest

from data_pipeline.bvh import read_bvh
from data_pipeline.skeleton import INDEX, PARTS

SIDE = """
  JOINT {s}Leg0
  {{
    OFFSET {x} 0 0
    CHANNELS 3 Zrotation Xrotation Yrotation
    JOINT {s}Leg1
    {{
      OFFSET 0 -4 0
      CHANNELS 3 Zrotation Xrotation Yrotation
      JOINT {s}Leg2
      {{
        OFFSET 0 -4 0
        CHANNELS 3 Zrotation Xrotation Yrotation
        End Site
        {{
          OFFSET 0 0 1
        }}
      }}
    }}
  }}
  JOINT {s}Arm0
  {{
    OFFSET {x} 6 0
    CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
    JOINT {s}Arm1
    {{
      OFFSET {x} 0 0
      CHANNELS 3 Xrotation Yrotation Zrotation
      JOINT {s}Arm2
      {{
        OFFSET {x} 0 0
        CHANNELS 3 Zrotation Xrotation Yrotation
        JOINT {s}HandIndex1
        {{
          OFFSET {x} 0 0
          CHANNELS 1 Zrotation
          JOINT {s}HandIndex2
          {{
            OFFSET {x} 0 0
            CHANNELS 1 Zrotation
            JOINT {s}HandIndex3
            {{
              OFFSET {x} 0 0
              CHANNELS 1 Zrotation
              End Site
              {{
                OFFSET {x} 0 0
              }}
            }}
          }}
        }}
      }}
    }}
  }}
"""
HABITS = {
    "mixamo": ("mixamorig:Left", "mixamorig:Right", "UpLeg Leg Foot Arm ForeArm Hand"),
    "classic": ("Left", "Right", "Hip Knee Ankle Shoulder Elbow Wrist"),
    "biovision": ("Left", "Right", "UpLeg LowLeg Foot UpArm LowArm Hand"),
    "poser": ("l", "r", "Thigh Shin Foot Shldr ForeArm Hand"),
    "smpl": ("L_", "R_", "Hip Knee Ankle Shoulder Elbow Wrist"),
}
CHANNELS = 6 + 2 * (9 + 12 + 3)  # of the root and of each side


def _text(habit="mixamo", values=None, tail=""):
    left, right, words = HABITS[habit]
    sides = SIDE.format(s="LEFT", x=1) + SIDE.format(s="RIGHT", x=-1)
    parts = ("Leg0", "Leg1", "Leg2", "Arm0", "Arm1", "Arm2")
    for part, word in zip(parts, words.split(), strict=True):
        sides = sides.replace(f"LEFT{part}", left + word).replace(f"RIGHT{part}", right + word)
    sides = sides.replace("LEFT", left).replace("RIGHT", right)
    root = "HIERARCHY\nROOT Hips\n{\n OFFSET 0 9 0\n"
    root += "CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation"
    values = _rest() if values is None else values
    rows = "\n".join(" ".join(map(str, row)) for row in values)
    return f"{root}{sides}}}\nMOTION\nFrames: {len(values)}\nFrame Time: 0.04\n{rows}\n{tail}"


def _rest(frames=1):
    values = np.zeros((frames, CHANNELS))
    values[:, 1] = 10
    for start, x in ((15, 1), (15 + 24, -1)):  # the positions of the arms stand for their offsets
        values[:, start : start + 3] = x, 6, 0
    return values


def _read(tmp_path, text):
    (tmp_path / "a.bvh").write_text(text)
    return read_bvh(tmp_path / "a.bvh")


@pytest.mark.parametrize("habit", HABITS)
def test_every_habit_of_naming_gives_the_same_body(tmp_path, habit):
    joints, fps = _read(tmp_path, _text(habit))
    assert fps == 25 and joints.shape == (1, 60, 3)
    for name, place in {
        "left_shoulder": (1, 16, 0), "right_shoulder": (-1, 16, 0), "neck": (0, 16, 0), "left_elbow": (2, 16, 0),
        "left_wrist": (3, 16, 0), "right_wrist": (-3, 16, 0), "left_hip": (1, 10, 0), "right_knee": (-1, 6, 0),
        "left_ankle": (1, 2, 0), "left_hand_wrist": (3, 16, 0), "left_hand_index_1": (4, 16, 0),
        "right_hand_index_4": (-7, 16, 0),
    }.items():  # fmt: skip
        np.testing.assert_allclose(joints[0, INDEX[name]], place, atol=1e-9, err_msg=name)
    assert np.isnan(joints[0, [INDEX["nose"], INDEX["left_hand_thumb_1"]]]).all()


def test_rotations_apply_in_the_order_of_the_channels(tmp_path):
    values = _rest(3)
    values[1, 18:21] = 90, 0, 0  # the left arm's Zrotation: it points up
    values[2, 21:24] = 90, 0, 90  # the left forearm: X, then Z about what X made of it: it points forward
    joints, _ = _read(tmp_path, _text(values=values))
    np.testing.assert_allclose(joints[1, INDEX["left_elbow"]], (1, 17, 0), atol=1e-9)
    np.testing.assert_allclose(joints[1, INDEX["left_wrist"]], (1, 18, 0), atol=1e-9)
    np.testing.assert_allclose(joints[2, INDEX["left_wrist"]], (2, 16, 1), atol=1e-9)


BAD = {
    "": "the file is empty", "x": "does not begin with HIERARCHY", "HIERARCHY": "one closed tree",
    "HIERARCHY ROOT a { MOTION": "one closed tree", "HIERARCHY ROOT a { } ROOT b { } MOTION": "one closed tree",
    "HIERARCHY ROOT a { OFFSET 1 2": "", "HIERARCHY ROOT a { CHANNELS x": "", "HIERARCHY }": "",
    "HIERARCHY OFFSET 1 2 3": "",
    "HIERARCHY ROOT a { } MOTION": 'without "MOTION"', "HIERARCHY ROOT": "",
    "HIERARCHY ROOT a { } MOTION Frames: 0 Frame Time: 1": "0 frames, each of 1.0 s",
    "HIERARCHY ROOT a { } MOTION Frames: 1 Frame Time: nan": "1 frames, each of nan s",
    "HIERARCHY ROOT a { CHANNELS 1 Zrotation } MOTION Frames: 2 Frame Time: 1 5": "1 numbers; 2 frames of 1 channels",
    "HIERARCHY ROOT a { CHANNELS 1 Wrotation } MOTION Frames: 1 Frame Time: 1 5": "a: unknown channels Wrotation",
    "HIERARCHY ROOT a { CHANNELS 1 Zrotation } MOTION Frames: 1 Frame Time: 1 5": "named in no known way .a.; rename",
}  # fmt: skip


@pytest.mark.parametrize("text", BAD, ids=range(len(BAD)))
def test_what_is_no_motion_says_why(tmp_path, text):
    from data_pipeline.pose_files import load_poses

    (tmp_path / "a.bvh").write_text(text)
    with pytest.raises(ValueError, match=f"a.bvh: .*{BAD[text]}") as error:
        load_poses(tmp_path / "a.bvh")
    assert "\n" not in str(error.value)


@pytest.fixture
def folder() -> Path:
    if not os.environ.get("XDANCER_SAMPLE_DATA"):
        pytest.skip("set XDANCER_SAMPLE_DATA to the sample data")
    return Path(os.environ["XDANCER_SAMPLE_DATA"]) / "poses" / "bvh"


def test_real_motions_are_where_pybvh_has_them(folder):
    """From the right ankle to another joint in frame 100, by pybvh 0.9.0's node_positions."""
    for name, joint, wanted in (
        ("rokoko_jesse_dance", "left_wrist", (15.5286, 73.4681, 42.4623)),
        ("rokoko_jesse_dance", "right_hand_little_3", (-10.1368, 54.1973, 55.6291)),
        ("cmu1_jumping_jacks", "left_wrist", (14.3294, 24.5944, 2.7871)),
        ("cmu1_jumping_jacks", "left_knee", (9.0265, 6.2997, 3.0530)),
    ):
        joints, _ = read_bvh(folder / f"{name}.bvh")
        found = joints[100, INDEX[joint]] - joints[100, INDEX["right_ankle"]]
        np.testing.assert_allclose(found, wanted, atol=2e-4, err_msg=f"{name} {joint}")


def test_real_motions_have_rigid_bones(folder):
    for name, frames, fps, seen in (("rokoko_jesse_dance", 1007, 100, 55), ("cmu1_jumping_jacks", 125, 30.003, 13)):
        joints, rate = read_bvh(folder / f"{name}.bvh")
        assert joints.shape == (frames, 60, 3) and rate == pytest.approx(fps)
        assert np.isfinite(joints).all(axis=(0, 2)).sum() == seen
        for a, b in (("left_shoulder", "left_elbow"), ("right_elbow", "right_wrist"), ("left_hip", "left_knee")):
            bone = np.linalg.norm(joints[:, INDEX[a]] - joints[:, INDEX[b]], axis=-1)
            assert np.ptp(bone) < 1e-9 * bone.mean()
        height = joints[:, list(PARTS["upper_body"]), 1].mean() - joints[:, list(PARTS["lower_body"]), 1].mean()
        assert height > 0
