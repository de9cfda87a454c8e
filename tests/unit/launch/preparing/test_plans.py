import pytest

from tests import command_line


@pytest.mark.parametrize(("given", "told"), [
    (["estimator.name=rtm"], "config.estimator.name=rtm takes --config.estimator.model=FILE.onnx and"),
    (["estimator.name=rtm", "estimator.detector=d.onnx"], "config.estimator.name=rtm takes --config.estimator.model="),
    (["estimator.name=rtm", "estimator.model=m.onnx", "estimator.weights=w"], "no config.estimator.weights"),
    (["estimator.name=rtm", "estimator.model=none.onnx"], "config.estimator.model: no ONNX model at none.onnx"),
    (["estimator.name=rtm", "estimator.model=setup.py", "estimator.detector=d"], "config.estimator.detector: no ONNX"),
    (["estimator.model=m.onnx"], "config.estimator.model and detector go with --config.estimator.name=rtm"),
    (["estimator.weights=/none"], "the weights folder, /none, has no"),
    (["quality_model=/none.onnx"], "/none.onnx: no such file"),
    (["videos="], "config.videos is empty"),
    (["height=30"], "must be multiples of 8"),
    (["music=x"], "config.music='x'"),
])
def test_fields_that_do_not_go_together_are_a_line_before_any_work(tmp_path, monkeypatch, given, told):
    (tmp_path / "a.mp4").write_bytes(b"no video")
    done = command_line.run(
        "launch.prepare", "--config=configs/data.py:videos", f"--data={tmp_path / 'data'}",
        f"--config.videos={tmp_path}", *(f"--config.{field}" for field in given),
    )
    [line] = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode == 1 and told in line
    assert not (tmp_path / "data").exists()
