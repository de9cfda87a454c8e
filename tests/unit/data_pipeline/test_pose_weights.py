import io
import zipfile

import pytest

from data_pipeline import pose_weights
from data_pipeline.pose_weights import ENV, URLS, find_weights

POSE, HAND = "pose_landmarker_full.task", "hand_landmarker.task"


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    monkeypatch.delenv(ENV, raising=False)
    monkeypatch.setattr(pose_weights.Path, "home", lambda: tmp_path / "home")
    return tmp_path / "home/.cache/xdancer_jax"


def _folder(path, *names):
    path.mkdir()
    for name in names:
        (path / name).write_bytes(b"x")
    return path


def _serve(monkeypatch, content, stated=None):
    """Stands in for the network: every URL answers `content`, `stated` bytes long; returns the URLs asked for."""
    asked = []

    def urlopen(url, timeout):
        asked.append(url)
        response = io.BytesIO(content)
        response.headers = {"Content-Length": str(len(content) if stated is None else stated)}
        return response

    monkeypatch.setattr(pose_weights.urllib.request, "urlopen", urlopen)
    return asked


def _bundle():
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("model.tflite", b"0")
    return content.getvalue()


def test_the_argument_goes_before_the_variable(monkeypatch, tmp_path):
    given = _folder(tmp_path / "given", "pose_landmarker_lite.task", "pose_landmarker.task", HAND)
    monkeypatch.setenv(ENV, str(_folder(tmp_path / "variable", POSE, HAND)))
    assert find_weights(given) == (given / "pose_landmarker.task", given / HAND)
    assert find_weights().pose == tmp_path / "variable" / POSE


def test_a_folder_that_lacks_a_bundle_is_an_error(monkeypatch, tmp_path):
    with pytest.raises(FileNotFoundError, match="has no hand_landmarker.task"):
        find_weights(_folder(tmp_path / "a", POSE))
    monkeypatch.setenv(ENV, str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError, match=f"the folder in {ENV}"):
        find_weights()


def test_bundles_are_downloaded_once(monkeypatch, home):
    asked = _serve(monkeypatch, _bundle())
    assert find_weights() == find_weights() == (home / POSE, home / HAND)
    assert asked == [URLS[POSE], URLS[HAND]] and (home / POSE).read_bytes() == _bundle()
    assert find_weights(variant="lite").pose.name == "pose_landmarker_lite.task"
    with pytest.raises(ValueError, match="'full' or 'lite'"):
        find_weights(variant="huge")


@pytest.mark.parametrize(("content", "stated"), [(_bundle(), len(_bundle()) + 9), (b"<html>sign in</html>", None)])
def test_a_cut_or_foreign_transfer_leaves_nothing(monkeypatch, home, content, stated):
    _serve(monkeypatch, content, stated)
    with pytest.raises(ConnectionError, match="bytes"):
        find_weights()
    assert not list(home.iterdir())


def test_offline_names_the_three_ways(monkeypatch, home):
    def refuse(url, timeout):
        raise pose_weights.urllib.error.URLError("no route")

    monkeypatch.setattr(pose_weights.urllib.request, "urlopen", refuse)
    with pytest.raises(ConnectionError) as error:
        find_weights()
    message = str(error.value)
    assert "no route" in message and "give a folder" in message and ENV in message and str(home / POSE) in message
    assert "\n" not in message


def test_where_they_would_lie_is_told_without_a_download(monkeypatch, home, tmp_path):
    asked = _serve(monkeypatch, _bundle())
    assert pose_weights.where() == (home / POSE, home / HAND) and asked == [] and not home.exists()
    given = _folder(tmp_path / "given", POSE, HAND)
    assert pose_weights.where(given) == (given / POSE, given / HAND)
    with pytest.raises(ValueError, match="unknown pose model variant"):
        pose_weights.where(variant="huge")
