import sys

import numpy as np
import pytest

from xdancer_jax.evals.networks import faces


class Session:
    """Answers like SCRFD: one face of `score` in `cell` (row, column) of the grid of stride 16."""

    def __init__(self, score, cell, side, anchor=1):
        self.score, self.cell, self.side, self.anchor, self.seen = score, cell, side, anchor, None

    def get_inputs(self):
        return [type("Input", (), {"name": "input.1"})]

    def run(self, names, inputs):
        self.seen = inputs["input.1"]
        scores, boxes, points = [], [], []
        for stride in (8, 16, 32):
            cells = self.side // stride
            score, point = np.zeros((2 * cells**2, 1), np.float32), np.zeros((2 * cells**2, 10), np.float32)
            if stride == 16:
                row = 2 * (self.cell[0] * cells + self.cell[1]) + self.anchor
                score[row], point[row] = self.score, np.arange(10)
            scores, boxes, points = [*scores, score], [*boxes, point[:, :4]], [*points, point]
        return [*scores, *boxes, *points]


def test_landmarks_lie_on_the_frame_whatever_its_size():
    session = Session(0.9, (2, 3), 64)
    frame = np.full((32, 128, 3), 255, np.uint8)  # fitted into 64 x 64 at half its size
    want = (np.asarray([3, 2]) * 16 + np.arange(10).reshape(5, 2) * 16) * 2
    np.testing.assert_allclose(faces.Scrfd(session, side=64)(frame), want)
    assert session.seen.shape == (1, 3, 64, 64)
    assert session.seen[0, :, :16].min() == pytest.approx(127.5 / 128)
    assert (session.seen[0, :, 16:] == -127.5 / 128).all()


def test_below_the_threshold_there_is_no_face():
    frame = np.zeros((64, 64, 3), np.uint8)
    assert faces.Scrfd(Session(0.4, (0, 0), 64), side=64)(frame) is None
    assert faces.Scrfd(Session(0.4, (0, 0), 64), side=64, threshold=0.3)(frame) is not None


def test_another_network_is_refused():
    with pytest.raises(ValueError, match="32 scores at stride 8, 128 expected|scores at stride 8"):
        faces.Scrfd(Session(0.9, (0, 0), 32), side=64)(np.zeros((64, 64, 3), np.uint8))


@pytest.mark.parametrize("load, said", [(faces.arcface, faces.ARCFACE), (faces.scrfd, faces.SCRFD)])
def test_missing_files_and_packages_are_a_line(load, said, tmp_path, monkeypatch):
    for path in (None, tmp_path / "no.onnx"):
        with pytest.raises(FileNotFoundError) as error:
            load(path)
        assert said in str(error.value) and "non-commercial" in str(error.value)
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match="needs onnxruntime: pip install"):
        load(tmp_path / "x.onnx")


def onnx_network(path, batch, width=6, takes=(3, 112, 112)):
    """A linear map of a face's mean colours."""
    onnx = pytest.importorskip("onnx", reason="needs the package onnx")
    pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    helper, floats = onnx.helper, onnx.TensorProto.FLOAT
    weights = np.random.default_rng(0).standard_normal((3, width)).astype(np.float32)
    steps = (("GlobalAveragePool", ["x"], ["p"]), ("Flatten", ["p"], ["flat"]), ("MatMul", ["flat", "w"], ["y"]))
    nodes = [helper.make_node(*step) for step in steps]
    graph = helper.make_graph(
        nodes, "arcface", [helper.make_tensor_value_info("x", floats, [batch, *takes])],
        [helper.make_tensor_value_info("y", floats, [batch, width])],
        [helper.make_tensor("w", floats, weights.shape, weights.ravel())],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path)
    return weights


@pytest.mark.parametrize("batch", ["N", 1])
def test_an_arcface_file_through_onnxruntime(tmp_path, batch):
    weights = onnx_network(tmp_path / "face.onnx", batch)
    network = faces.arcface(tmp_path / "face.onnx")
    pixels = np.random.default_rng(1).standard_normal((4, 3, 112, 112)).astype(np.float32)
    np.testing.assert_allclose(network.run(pixels), pixels.mean(axis=(2, 3)) @ weights, atol=1e-5)
    assert network.weights.startswith("face.onnx ") and len(network.weights.split()[1]) == 16


def test_an_onnx_file_of_another_layout_is_refused(tmp_path):
    onnx_network(tmp_path / "face.onnx", "N", takes=(3, 160, 160))
    with pytest.raises(ValueError, match=r"takes \['N', 3, 160, 160\], \(N, 3, 112, 112\) expected"):
        faces.arcface(tmp_path / "face.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="not an ONNX network that onnxruntime loads"):
        faces.arcface(tmp_path / "bad.onnx")
