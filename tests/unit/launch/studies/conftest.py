import pytest

from launch.studies import making, pairing
from tests import studies


@pytest.fixture(scope="session")
def videos(tmp_path_factory):
    """Folders of two systems with three videos each."""
    folder = tmp_path_factory.mktemp("videos")
    return [str(studies.clips(folder / system)) for system in ("ours", "theirs")]


@pytest.fixture
def study(videos, tmp_path):
    """Folder of a study of them."""
    list(making.make(pairing.pair(videos, None), str(tmp_path / "study"), 1))
    return tmp_path / "study"


@pytest.fixture
def key():
    return studies.key()
