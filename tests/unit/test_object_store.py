"""The object store of the tests is as strict as the real one where runs could count on more."""

import urllib.error
import urllib.request

import pytest

from xdancer_jax import paths


def test_nothing_is_renamed_copied_or_added_to(store):
    path = paths.at("gs://bucket/a")
    paths.put(path, b"one")
    where = f"{store.url}/storage/v1/b/bucket/o/a/rewriteTo/b/bucket/o/b"
    with pytest.raises(urllib.error.HTTPError, match="405"):
        urllib.request.urlopen(urllib.request.Request(where, b"", method="POST"))
    with pytest.raises(OSError, match="methodNotAllowed"):
        paths.translated(path, lambda: path.rename("gs://bucket/b"))
    with pytest.warns(UserWarning, match="not supported in GCS"), path.open("a") as file:
        file.write("two")
    assert path.read_bytes() != b"onetwo"
    assert store.names("bucket") == ["a"]


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
def test_what_is_not_whole_is_not_there(store):
    path = paths.at("gs://bucket/large")
    data = bytes(range(256)) * 2**16  # 16 MiB: in several parts
    file = path.open("wb")
    file.write(data)
    file.flush()
    assert store.names("bucket") == []
    file.close()
    assert path.read_bytes() == data


def test_listings_come_in_pages(store):
    store.page = 2
    for name in ("a/1", "a/2", "b", "c/d/1", "c/d/2", "e", "f"):
        store.put("bucket", f"run/{name}", b"")
    assert sorted(entry.name for entry in paths.at("gs://bucket/run").iterdir()) == ["a", "b", "c", "e", "f"]
    assert [entry.name for entry in paths.at("gs://bucket/run/c").iterdir()] == ["d"]
