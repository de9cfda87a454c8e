"""Small ONNX models of the inputs and outputs of RTMW and DWPose, YOLOX and RTMDet, that find coloured spots."""

import re
import sys

import numpy as np
import pytest

from data_pipeline import rtm_estimation, video_poses
from data_pipeline.pose_estimation import NoPersonError, estimate_file
from data_pipeline.rtm_estimation import RtmEstimator
from data_pipeline.skeleton import INDEX
from data_pipeline.video_files import Frame

HEIGHT, WIDTH = 240, 320
CROP_H, CROP_W = 96, 72  # of the pose model
SIDE = 160  # of the detector
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
NECK, LEFT_HAND = INDEX["neck"], INDEX["left_hand_wrist"]


def _model(path, nodes, inputs, outputs, constants):
    onnx = pytest.importorskip("onnx", reason="makes its models with onnx: pip install onnx")
    from onnx import TensorProto, helper, numpy_helper

    graph = helper.make_graph(
        [helper.make_node(op, ins, outs, **attributes) for op, ins, outs, attributes in nodes], "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, (kind, shape) in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


def _pose_model(path, batch="n", joints=133, gain=0.4):
    """SimCC: of the first 91 joints the peak is where the input is reddest, of the others where it is greenest; it has
    two bins a pixel. The score of a full red is 0.9 or so, of a full green 0.97."""
    nodes = []
    for axis, over in {"x": 2, "y": 3}.items():
        for colour, channel in (("red", 0), ("green", 1)):
            nodes += [
                ("Gather", ["in", f"c{channel}"], [f"{axis}{colour}0"], {"axis": 1}),
                ("ReduceMax", [f"{axis}{colour}0"], [f"{axis}{colour}1"], {"axes": [over - 1], "keepdims": 0}),
                ("Mul", [f"{axis}{colour}1", "gain"], [f"{axis}{colour}2"], {}),
                ("Reshape", [f"{axis}{colour}2", f"{axis}shape"], [f"{axis}{colour}3"], {}),
                ("Tile", [f"{axis}{colour}3", f"{colour}tile"], [f"{axis}{colour}4"], {}),
                ("Reshape", [f"{axis}{colour}4", f"{axis}{colour}flat"], [f"{axis}{colour}"], {}),
            ]
        nodes.append(("Concat", [f"{axis}red", f"{axis}green"], [f"simcc_{axis}"], {"axis": 1}))
    red = 91 if joints == 133 else joints - 1
    constants = {
        "c0": np.int64(0), "c1": np.int64(1), "gain": np.float32(gain),
        "redtile": np.array([1, red, 1, 2]), "greentile": np.array([1, joints - red, 1, 2]),
        "xshape": np.array([-1, 1, CROP_W, 1]), "yshape": np.array([-1, 1, CROP_H, 1]),
        **{f"{a}{c}flat": np.array([-1, n, 2 * s]) for a, s in (("x", CROP_W), ("y", CROP_H))
           for c, n in (("red", red), ("green", joints - red))},
    }  # fmt: skip
    outputs = {f"simcc_{a}": (1, [batch, joints, 2 * s]) for a, s in (("x", CROP_W), ("y", CROP_H))}
    return _model(path, nodes, {"in": [batch, 3, CROP_H, CROP_W]}, outputs, constants)


def _boxes(ratio=SIDE / WIDTH):
    """Of two people and a chair, in the detector's pixels: the halves of the picture."""
    return np.array([[20, 20, 140, 220], [180, 20, 300, 220], [0, 0, 320, 240]], np.float32) * ratio


def _suppressed(path, labels=True, mean=200.0):
    """Boxes with scores, as MMDeploy exports RTMDet and YOLOX; scores count where the first
    channel, blue, lies above `mean`, which the border around the picture does not."""
    nodes = [
        ("Gather", ["in", "zero"], ["blue"], {"axis": 1}), ("ReduceMax", ["blue"], ["most"], {"keepdims": 0}),
        ("Sub", ["most", "mean"], ["above"], {}), ("Clip", ["above", "low", "high"], ["yes"], {}),
        ("Mul", ["scores", "yes"], ["scored"], {}), ("Concat", ["boxes", "scored"], ["dets"], {"axis": 2}),
    ]  # fmt: skip
    constants = {
        "zero": np.int64(0), "mean": np.float32(mean), "low": np.float32(0), "high": np.float32(1),
        "boxes": _boxes()[None], "scores": np.float32([[[0.9], [0.8], [0.95]]]),
    }  # fmt: skip
    outputs = {"dets": (1, [1, 3, 5])}
    if labels:
        nodes.append(("Identity", ["kinds"], ["labels"], {}))
        constants["kinds"] = np.array([[0, 0, 56]])
        outputs["labels"] = (7, [1, 3])
    return _model(path, nodes, {"in": [1, 3, SIDE, SIDE]}, outputs, constants)


def _raw(path):
    """YOLOX's grid of 8, 16 and 32 pixels, not decoded, of 80 classes."""
    cells = sum((SIDE // stride) ** 2 for stride in (8, 16, 32))
    grid = np.zeros((1, cells, 85), np.float32)
    for i, (box, kind) in enumerate(zip(_boxes(), (0, 0, 56), strict=True)):
        centre, size = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
        grid[0, i, :2], grid[0, i, 2:4] = centre / 8 - (i, 0), np.log(size / 8)
        grid[0, i, 4], grid[0, i, 5 + kind] = 1, 0.9
    nodes = [
        ("ReduceMin", ["in"], ["least"], {"keepdims": 0}), ("Mul", ["least", "nil"], ["nothing"], {}),
        ("Add", ["grid", "nothing"], ["out"], {}),
    ]  # fmt: skip
    return _model(
        path, nodes, {"in": [1, 3, SIDE, SIDE]}, {"out": (1, [1, cells, 85])}, {"grid": grid, "nil": np.float32(0)}
    )


def _picture(spots, people=True):
    """spots: (colour, x, y) of squares on black; a blue corner is what detectors go by."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    if people:
        picture[:12, :12] = BLUE
    for colour, x, y in spots:
        picture[y - 6 : y + 7, x - 6 : x + 7] = colour
    return picture


BOTH = [(RED, 80, 100), (GREEN, 60, 150), (RED, 240, 80), (GREEN, 260, 160)]


def _dimmed(spots, level):
    return [(tuple(min(part, level) for part in colour), x, y) for colour, x, y in spots]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    for name in ("rtmlib", "onnxruntime"):
        pytest.importorskip(name, reason="needs the extra rtm: pip install xdancer_jax[rtm]")
    folder = tmp_path_factory.mktemp("onnx")
    return {
        "pose": _pose_model(folder / "dw-ll_ucoco.onnx"), "single": _pose_model(folder / "one.onnx", 1),
        "body": _pose_model(folder / "rtmpose.onnx", joints=17), "yolox": _suppressed(folder / "yolox_m.onnx"),
        "rtmdet": _suppressed(folder / "RTMDet_nano.onnx", mean=2.0), "raw": _raw(folder / "yolox_l.onnx"),
        "unlabelled": _suppressed(folder / "yolox_person.onnx", labels=False),
    }  # fmt: skip


def _places(people):
    return sorted((*pose[NECK, :2].round().astype(int).tolist(),) for pose in people)


def _close(places, wanted):
    np.testing.assert_allclose(places, wanted, atol=8)


@pytest.mark.parametrize("detector", ["yolox", "rtmdet", "raw"])
def test_planted_people_come_out(models, detector):
    people = RtmEstimator(models["pose"], models[detector]).everyone(_picture(BOTH))
    _close(_places(people), [(80, 100), (240, 80)])
    left = min(people, key=lambda pose: pose[NECK, 0])
    assert left.shape == (60, 3) and left.dtype == np.float32
    _close(left[LEFT_HAND, :2], (60, 150))
    np.testing.assert_allclose(left[[NECK, LEFT_HAND], 2], (0.4 * 2.2489, 0.4 * 2.4286), rtol=1e-3)


def test_a_detector_of_people_alone_gives_no_labels(models):
    assert len(RtmEstimator(models["pose"], models["unlabelled"]).everyone(_picture(BOTH))) == 3


def test_nobody_is_nobody(models):
    estimator = RtmEstimator(models["pose"], models["yolox"])
    assert estimator.everyone(_picture(BOTH, people=False)) == []
    with pytest.raises(NoPersonError, match="best confidence 0.00 < 0.3"):
        estimator(_picture(BOTH, people=False))
    unsure = RtmEstimator(models["pose"], models["yolox"], min_confidence=0.95)
    assert unsure.everyone(_picture(BOTH)) == []
    with pytest.raises(NoPersonError, match=r"best confidence 0.90 < 0.95"):
        unsure(_picture(BOTH))


def test_without_a_detector_the_picture_shows_one_person(models):
    estimator = RtmEstimator(models["pose"])
    pose = estimator(_picture(BOTH[:2]))
    _close(pose[[NECK, LEFT_HAND], :2], [(80, 100), (60, 150)])
    assert np.isfinite(pose).all()


def test_what_rtmlib_itself_says(models):
    """Its own call, on the same crop in the same order of colours."""
    import rtmlib

    picture = _picture(BOTH[:2])
    tool = rtmlib.RTMPose(str(models["pose"]), (CROP_W, CROP_H))
    keypoints, scores = tool(picture, [[20, 20, 140, 220]])
    [left] = (p for p in RtmEstimator(models["pose"], models["yolox"]).everyone(_picture(BOTH)) if p[NECK, 0] < 160)
    np.testing.assert_allclose(left[LEFT_HAND], (*keypoints[0, 91], scores[0, 91]), rtol=1e-5)
    np.testing.assert_allclose(left[INDEX["nose"]], (*keypoints[0, 0], scores[0, 0]), rtol=1e-5)


def test_scores_above_1_and_joints_outside(models, tmp_path):
    loud = RtmEstimator(_pose_model(tmp_path / "loud.onnx", gain=1.0))
    assert loud(_picture(BOTH[:2]))[NECK, 2] == 1
    body = RtmEstimator(models["body"])
    [pose] = body.everyone(_picture(BOTH[:2]))
    assert np.isnan(pose[18:, :2]).all() and not pose[18:, 2].any()
    assert np.isfinite(body(_picture(BOTH[:2]))).all()
    inverted = RtmEstimator(_pose_model(tmp_path / "inverted.onnx", gain=-0.4), min_confidence=0)
    [pose] = inverted.everyone(np.full((HEIGHT, WIDTH, 3), 255, np.uint8))  # the darkest is the border around it
    assert (pose[:, :2] < 0).any(axis=1).all() and not pose[:, 2].any()
    [pose] = RtmEstimator(models["pose"], min_confidence=0).everyone(_picture([], people=False))  # scores below 0
    assert np.isnan(pose[:, :2]).all() and not pose[:, 2].any()


def test_of_two_the_surer_one_counts_in_a_picture(models):
    pose = RtmEstimator(models["pose"], models["yolox"])(_picture(_dimmed(BOTH[:2], 190) + BOTH[2:]))
    _close(pose[NECK, :2], (240, 80))


def test_crops_of_several_pictures_go_through_one_run(models, monkeypatch):
    seen = {}
    for name in ("pose", "single"):
        estimator = RtmEstimator(models[name], models["yolox"], batch=4)
        runs, session = [], estimator._pose.session

        class Session:
            def get_inputs(self, session=session):
                return session.get_inputs()

            def run(self, names, given, runs=runs, session=session):
                runs.append(len(given["in"]))
                return session.run(names, given)

        estimator._pose.session = Session()
        frames = [Frame(i / 25, _picture([(c, x + i, y) for c, x, y in BOTH])) for i in range(6)]
        seen[name] = np.stack(list(estimator.video(iter(frames)))), runs
    assert seen["pose"][1] == [4, 4, 4] and seen["single"][1] == [1] * 12
    np.testing.assert_array_equal(seen["pose"][0], seen["single"][0])


def test_a_video_follows_one_person_and_keeps_its_time(models):
    """One of two walks, one frame shows nobody."""
    estimator = RtmEstimator(models["pose"], models["yolox"], batch=3)
    frames = [
        Frame(i / 25, _picture([(c, x + 2 * i, y) for c, x, y in BOTH[:2]] + BOTH[2:], people=i != 4)) for i in range(8)
    ]
    asked = []
    poses = np.stack(list(estimator.video(asked.append(1) or frame for frame in frames)))
    assert poses.shape == (8, 60, 3) and not poses[4].any() and len(asked) == 8
    shown = np.delete(poses, 4, axis=0)
    steps = np.diff(shown[:, NECK, 0])
    assert (np.abs(shown[:, NECK, 0] - shown[0, NECK, 0]) < 25).all() and (np.abs(steps) < 12).all()


def test_who_is_followed_does_not_change_with_the_runs(models):
    """In each frame the other is surer than in the one before."""
    estimator = RtmEstimator(models["pose"], models["yolox"], batch=1)
    levels = [(255, 190), (190, 255), (255, 190), (190, 255)]
    frames = [
        Frame(i / 25, _picture(_dimmed(BOTH[:2], a) + _dimmed(BOTH[2:], b)))
        for i, (a, b) in enumerate(levels)
    ]
    for pose in estimator.video(frames):
        _close(pose[NECK, :2], (80, 100))


def test_it_is_an_estimator_to_the_rest(models, tmp_path):
    from PIL import Image

    from data_pipeline import video_files

    estimator = RtmEstimator(models["pose"], models["yolox"])
    Image.fromarray(_picture(BOTH)).save(tmp_path / "a.png")
    _, pose = estimate_file(estimator, tmp_path / "a.png")
    assert pose.shape == (60, 3)
    video_files.write_video(tmp_path / "a.mp4", [_picture(BOTH)] * 5, 25)
    clip = video_poses.estimate_video(estimator, tmp_path / "a.mp4")
    assert clip.poses.shape == (5, 60, 3) and (clip.poses[:, NECK, 2] > 0.5).all()


def test_it_says_which_it_is(models):
    from importlib.metadata import version

    found = RtmEstimator(models["pose"], models["yolox"])
    assert found.name == "rtm"
    assert re.fullmatch(
        rf"rtmlib {re.escape(version('rtmlib'))}, onnxruntime {re.escape(version('onnxruntime'))}, "
        r"yolox_m.onnx [0-9a-f]{12}, dw-ll_ucoco.onnx [0-9a-f]{12}",
        found.version,
    )


def test_models_that_are_none_are_one_line(models, tmp_path, capsys):
    with pytest.raises(FileNotFoundError, match="no ONNX model at .*x.onnx"):
        RtmEstimator(models["pose"], tmp_path / "x.onnx")
    (tmp_path / "yolox.onnx").write_bytes(b"hello")
    (tmp_path / "detector.onnx").write_bytes(b"hello")
    for pose, detector, message in (
        (models["pose"], tmp_path / "yolox.onnx", "yolox.onnx: no ONNX model that runs here"),
        (models["pose"], tmp_path / "detector.onnx", "says neither yolox nor rtmdet"),
        (_pose_model(tmp_path / "a.onnx", joints=26), None, "a.onnx: gives .1, 26, 144., .1, 26, 192.; expected SimCC"),
        (models["yolox"], None, "yolox_m.onnx: gives .1, 3, 5., .1, 3.; expected SimCC"),
    ):
        with pytest.raises(ValueError, match=message) as error:
            RtmEstimator(pose, detector).everyone(_picture(BOTH))
        assert "\n" not in str(error.value)
    dynamic = _model(tmp_path / "d.onnx", [("Identity", ["in"], ["out"], {})], {"in": ["n", 3, "h", "w"]},
                     {"out": (1, ["n", 3, "h", "w"])}, {})  # fmt: skip
    with pytest.raises(ValueError, match=r"d.onnx: takes .* of a fixed size"):
        RtmEstimator(dynamic)
    with pytest.raises(ValueError, match=r"a frame must be \(H, W, 3\) uint8"):
        RtmEstimator(models["pose"]).everyone(np.zeros((4, 4, 4), np.uint8))
    assert capsys.readouterr().out == ""


def test_without_the_extra_the_error_says_what_to_do(monkeypatch, tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"a")
    monkeypatch.setitem(sys.modules, "rtmlib", None)
    with pytest.raises(ImportError, match=r"need the extra rtm: pip install xdancer_jax\[rtm\]") as error:
        RtmEstimator(tmp_path / "a.onnx")
    assert "\n" not in str(error.value)


def test_the_names_of_detectors():
    assert rtm_estimation._kind("models/YOLOX_l.onnx") == "YOLOX" and rtm_estimation._kind("rtmdet.onnx") == "RTMDet"
    with pytest.raises(ValueError, match="says neither"):
        rtm_estimation._kind("yolox/model.onnx")
