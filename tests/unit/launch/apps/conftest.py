import pytest

from tests import small_app


@pytest.fixture(scope="session")
def maker(tmp_path_factory):
    """Over a small pair of runs; what it compiles is compiled once."""
    return small_app.maker(small_app.pair(tmp_path_factory.mktemp("runs")))


@pytest.fixture
def files(tmp_path):
    """A photo, its pose and a song of 4 s."""
    (tmp_path / "given").mkdir()
    return small_app.files(tmp_path / "given")
