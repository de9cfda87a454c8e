"""Where things lie; what a store does and does not do."""

import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from xdancer_jax import paths

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", ["runs/a", "/runs/a", "a:b/c", "~/x", "."])
def test_a_local_path_stays_what_it_is(path):
    assert str(paths.at(path)) == str(Path(path)) and not paths.in_store(path)


def test_a_path_of_a_store_keeps_its_bucket():
    path = paths.at("gs://bucket/runs/a")
    assert str(path / "b") == "gs://bucket/runs/a/b" and paths.in_store(path / "b") and paths.at(path) == path


@pytest.mark.parametrize("path", ["hdfs://a/b", "file:///a", "s3://b/a", "gs:/bucket/a", "gs:bucket", "gs://", "GS://b"])
def test_what_is_neither_is_one_line(path):
    with pytest.raises(ValueError, match="neither a path of this machine nor gs://BUCKET/PATH"):
        paths.at(path)


def test_s3_is_named_with_its_reason():
    with pytest.raises(ValueError, match="Orbax writes no checkpoints to s3://"):
        paths.at("s3://bucket/a")


def test_without_the_extra_it_is_named(monkeypatch):
    nothing = SimpleNamespace(util=SimpleNamespace(find_spec=lambda name: None))
    monkeypatch.setattr(paths, "importlib", nothing)
    with pytest.raises(ImportError, match=r"gs://bucket/a: the extra gcs is not installed; .*xdancer_jax\[gcs\]"):
        paths.at("gs://bucket/a")
    paths.at("a")


def test_from_the_root_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert str(paths.whole("a")) == str(tmp_path / "a")
    assert str(paths.whole("gs://bucket/a")) == "gs://bucket/a"


def test_importing_and_local_paths_bring_in_no_client():
    code = (
        "import sys; from xdancer_jax.train import lock, loop, metrics; from launch.runs import training\n"
        "metrics.read('nowhere')\n"
        "bad = {'gcsfs', 's3fs', 'tensorflow', 'aiohttp'} & set(sys.modules); assert not bad, bad"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_bucket_that_is_not_there_is_one_line(store, tmp_path):
    paths.check_reachable(tmp_path)
    paths.check_reachable("gs://bucket/run")
    with pytest.raises(OSError, match="gs://other/run: no bucket gs://other"):
        paths.check_reachable("gs://other/run")
    store.broken = "GET .*bucket"
    with pytest.raises(OSError, match="gs://bucket.*(no bucket|the store does not answer)"):
        paths.check_reachable("gs://bucket/run")


def test_an_object_is_put_whole_and_refusals_are_one_line(store):
    path = paths.at("gs://bucket/a/b")
    paths.put(path, b"one")
    assert store.names("bucket") == ["a/b"] and path.read_bytes() == b"one"
    store.broken = "POST"
    with pytest.raises(OSError, match="gs://bucket/a/b: the store does not answer as it should: Forbidden"):
        paths.put(path, b"two")
    assert path.read_bytes() == b"one"


def test_a_listing_sees_what_others_write(store):
    folder = paths.at("gs://bucket/run")
    paths.put(folder / "a", b"")
    assert [entry.name for entry in folder.iterdir()] == ["a"] and not (folder / "b").exists()
    store.put("bucket", "run/b", b"")  # by another process, or tensorstore
    assert sorted(entry.name for entry in folder.iterdir()) == ["a", "b"] and (folder / "b").exists()


def test_generations_decide_who_puts(store):
    path = paths.at("gs://bucket/lease")
    assert paths.generation(path) == 0
    first = paths.put_if(path, b"one", 0)
    with pytest.raises(FileExistsError):
        paths.put_if(path, b"two", 0)
    second = paths.put_if(path, b"two", first)
    paths.remove_if(path, first)
    assert path.read_bytes() == b"two" and paths.generation(path) == second
    paths.remove_if(path, second)
    paths.remove_if(path, second)
    assert store.names("bucket") == []


def test_lines_are_added_here_and_in_a_store_and_none_is_lost(store, tmp_path):
    for path in (str(tmp_path / "lines"), "gs://bucket/lines"):
        adding = [threading.Thread(target=paths.append, args=(path, b"%d\n" % number)) for number in range(8)]
        for thread in adding:
            thread.start()
        for thread in adding:
            thread.join()
        assert sorted(paths.at(path).read_text().split()) == sorted(map(str, range(8)))
