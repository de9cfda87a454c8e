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
