import os

from data_pipeline.music import kernels


def test_a_read_only_installation_and_home_give_numba_another_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "nowhere"))
    monkeypatch.setattr(kernels.tempfile, "tempdir", str(tmp_path))
    kernels._find_cache()
    assert "NUMBA_CACHE_DIR" not in os.environ  # beside librosa there is room
    monkeypatch.setattr(kernels, "_writable", lambda folder: False)
    kernels._find_cache()
    assert os.environ.pop("NUMBA_CACHE_DIR").startswith(str(tmp_path / "xdancer_jax_numba_"))


def test_the_first_use_is_alone_and_the_next_ones_are_not(monkeypatch, tmp_path):
    monkeypatch.setattr(kernels.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(kernels, "_compiled", [])
    locks = []
    monkeypatch.setattr(kernels.fcntl, "flock", lambda file, how: locks.append(how))
    for _ in range(2):
        with kernels.ready():
            assert locks == [kernels.fcntl.LOCK_EX]
