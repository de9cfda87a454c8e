import builtins
import inspect

import numpy as np
import pytest
from PIL import Image

from data_pipeline import image_quality
from data_pipeline.image_quality import OnnxQuality


def _store(path, nodes, shape=("N", 3, 224, 224), constants=None, kind=1, outputs=("score",), more=()):
    """An ONNX file of (operation, inputs, outputs, attributes); returns its path."""
    onnx = pytest.importorskip("onnx")
    helper, numpy_helper = onnx.helper, onnx.numpy_helper
    graph = helper.make_graph(
        [helper.make_node(name, into, out, **known) for name, into, out, known in nodes], "quality",
        [helper.make_tensor_value_info("picture", kind, shape), *(helper.make_tensor_value_info(*one) for one in more)],
        [helper.make_tensor_value_info(name, kind, None) for name in outputs],
        [numpy_helper.from_array(np.asarray(value, np.float32), name) for name, value in (constants or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


def _linear(path, weights=(1.0, 2.0, 4.0), offset=40.0, **known):
    """Mean of the colours, weighted, and an offset: what can be said without a network."""
    return _store(
        path,
        [
            ("GlobalAveragePool", ["picture"], ["means"], {}), ("Flatten", ["means"], ["flat"], {}),
            ("MatMul", ["flat", "weights"], ["dot"], {}), ("Add", ["dot", "offset"], ["score"], {}),
        ],
        constants={"weights": np.reshape(weights, (3, 1)), "offset": [offset]}, **known,
    )


def _scorer(path, **known):
    pytest.importorskip("onnxruntime")
    return OnnxQuality(_linear(path, **known))


def _picture(seed=0, height=300, width=260):
    rows, columns = np.mgrid[:height, :width]
    noise = np.random.default_rng(seed).integers(0, 60, (height, width, 3))
    slopes = np.stack([rows * 190 // height, columns * 190 // width, (rows + columns) // 4], axis=-1)
    return (noise + slopes).astype(np.uint8)


@pytest.mark.parametrize("batch", ["N", 1])
def test_a_score_is_the_mean_over_ten_normalised_crops_of_the_resized_picture(tmp_path, batch):
    scorer, picture = _scorer(tmp_path / "q.onnx", shape=(batch, 3, 224, 224)), _picture()
    small = np.asarray(Image.fromarray(picture).resize((384, 512), Image.Resampling.BILINEAR), np.float64) / 255
    rng, scores = np.random.default_rng(0), []
    for y, x in rng.integers(0, (512 - 224 + 1, 384 - 224 + 1), (10, 2)):
        means = small[y : y + 224, x : x + 224].mean(axis=(0, 1))
        scores.append(40 + np.dot((means - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225], [1, 2, 4]))
    assert np.ptp(scores) > 0.5
    assert scorer(picture) == pytest.approx(np.mean(scores), abs=1e-4)
    assert scorer(picture) == OnnxQuality(tmp_path / "q.onnx")(picture) != scorer(_picture(seed=1))


def test_the_version_is_of_the_file(tmp_path):
    a, b = _scorer(tmp_path / "a.onnx"), _scorer(tmp_path / "b.onnx", offset=41.0)
    assert a.name == b.name == "onnx" and a.version != b.version and len(a.version) == 16
    assert OnnxQuality(_linear(tmp_path / "c.onnx")).version == a.version
    wanted = inspect.signature(image_quality.Scorer.__call__)
    assert inspect.signature(OnnxQuality.__call__) == wanted


def test_a_score_just_outside_is_cut_and_one_of_another_range_is_an_error(tmp_path):
    grey = np.full((64, 64, 3), 116, np.uint8)
    assert _scorer(tmp_path / "a.onnx", weights=(0, 0, 0), offset=104.0)(grey) == 100.0
    assert _scorer(tmp_path / "b.onnx", weights=(0, 0, 0), offset=-4.0)(grey) == 0.0
    for number, offset in enumerate((255.0, -50.0, np.nan)):
        with pytest.raises(ValueError, match=r"\.onnx: scores a picture .*; export a network that scores in \[0"):
            _scorer(tmp_path / f"{number}.onnx", weights=(0, 0, 0), offset=offset)(grey)


@pytest.mark.parametrize("known", [
    {"shape": ("N", 3, 224, 225)}, {"shape": (10, 3, 224, 224)}, {"shape": ("N", 224, 224, 3)}, {"kind": 10},
    {"more": [("size", 1, (1,))]},
])
def test_other_inputs_are_refused_at_once(tmp_path, known):
    pytest.importorskip("onnxruntime")
    path = _store(tmp_path / "q.onnx", [("Identity", ["picture"], ["score"], {})], **known)
    with pytest.raises(ValueError, match=r"its inputs are picture .*; export a network with one, \(N, 3") as error:
        OnnxQuality(path)
    assert "\n" not in str(error.value)


def test_other_outputs_are_refused_at_once(tmp_path):
    pytest.importorskip("onnxruntime")
    pooled = ("GlobalAveragePool", ["picture"], ["score"], {})
    with pytest.raises(ValueError, match=r"q\.onnx: gives \(1, 3, 1, 1\) for one picture"):
        OnnxQuality(_store(tmp_path / "q.onnx", [pooled]))
    two = [("ReduceMean", ["picture"], ["score"], {}), ("ReduceMax", ["picture"], ["other"], {})]
    with pytest.raises(ValueError, match=r"gives \(1, 1, 1, 1\), \(1, 1, 1, 1\) for one picture"):
        OnnxQuality(_store(tmp_path / "q.onnx", two, outputs=("score", "other")))


def test_what_is_no_network_is_named(tmp_path):
    pytest.importorskip("onnxruntime")
    path = tmp_path / "q.onnx"
    with pytest.raises(FileNotFoundError, match="no such file"):
        OnnxQuality(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ValueError, match=r"q\.onnx: not an ONNX network that onnxruntime loads") as error:
        OnnxQuality(path)
    assert "\n" not in str(error.value)
    nodes = [("MatMul", ["picture", "w"], ["score"], {})]  # wants pictures 5 wide, and says nothing of it
    broken = _store(tmp_path / "r.onnx", nodes, constants={"w": np.ones((5, 1))}, shape=("N", 3, "H", "W"))
    with pytest.raises(ValueError, match=r"r\.onnx: does not score a picture of 224x224") as error:
        OnnxQuality(broken)
    assert "\n" not in str(error.value)


def test_what_is_no_picture_is_refused(tmp_path):
    scorer = _scorer(tmp_path / "q.onnx")
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((4, 4, 4), np.uint8)):
        with pytest.raises(ValueError, match=r"picture: .* cannot be scored; give \(H, W, 3\) uint8"):
            scorer(wrong)


def test_without_the_extra_the_error_says_how_to_get_it(tmp_path, monkeypatch):
    (tmp_path / "q.onnx").write_bytes(b"x")
    load = builtins.__import__

    def absent(name, *rest):
        if name == "onnxruntime":
            raise ImportError(name)
        return load(name, *rest)

    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(ImportError, match=r"needs onnxruntime: pip install -e '\.\[quality\]'"):
        OnnxQuality(tmp_path / "q.onnx")
