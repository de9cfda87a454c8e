import pytest

from launch.shell import outputs


def test_out_is_checked_before_the_long_work(tmp_path):
    outputs.check_out(str(tmp_path / "dance.mp4"))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="must end in .mp4"):
        outputs.check_out(str(tmp_path / "dance.avi"))
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(ValueError, match="folder.mp4: .* no folder"):
        outputs.check_out(str(tmp_path / "folder.mp4"))
    with pytest.raises(OSError, match="does not exist"):
        outputs.check_out(str(tmp_path / "missing" / "dance.mp4"))


def test_of_a_store_only_what_grows_by_lines_is_taken(store):
    outputs.check_out("gs://bucket/run/evaluation.jsonl", ".jsonl")
    assert store.names("bucket") == []
    store.broken = "POST"
    with pytest.raises(OSError, match="Forbidden"):
        outputs.check_out("gs://bucket/run/evaluation.jsonl", ".jsonl")
    with pytest.raises(OSError, match="no bucket gs://none"):
        outputs.check_out("gs://none/evaluation.jsonl", ".jsonl")
    with pytest.raises(ValueError, match="must end in .jsonl"):
        outputs.check_out("gs://bucket/evaluation.txt", ".jsonl")
    for refuse in (outputs.check_out, outputs.make_folder):
        with pytest.raises(ValueError, match="gs://bucket/a.mp4: only files of this machine"):
            refuse("gs://bucket/a.mp4")
