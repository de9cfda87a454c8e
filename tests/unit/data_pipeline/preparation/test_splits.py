import pytest

from data_pipeline.preparation import splits


def test_the_hash_is_the_same_for_ever():
    found = [splits.by_hash(f"song {i}", 0.5) for i in range(6)]
    assert found == ["test", "test", "test", "train", "test", "test"]


def test_the_share_is_met_and_a_larger_one_keeps_the_tests_of_a_smaller():
    names = [f"song {i}" for i in range(4000)]
    small, large = ({name for name in names if splits.by_hash(name, share) == "test"} for share in (0.05, 0.2))
    assert 150 < len(small) < 250 and 700 < len(large) < 900 and small < large


def test_lists_know_dances_by_any_camera(tmp_path):
    (tmp_path / "l.txt").write_text("# header\ngBR_sBM_cAll_d04_mBR0_ch02\n\nown  # mine\n")
    lists = {"train": frozenset({"x"}), "test": splits.read_list(str(tmp_path / "l.txt"))}
    assert splits.by_lists("gBR_sBM_c07_d04_mBR0_ch02", lists) == "test"
    assert splits.by_lists("own", lists) == "test" and splits.by_lists("x", lists) == "train"
    assert splits.by_lists("gBR_sBM_c07_d04_mBR0_ch03", lists) is None


def test_lists_that_are_none_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none.txt: no such list"):
        splits.read_list(str(tmp_path / "none.txt"))
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(ValueError, match="empty.txt: holds no names"):
        splits.read_list(str(tmp_path / "empty.txt"))
