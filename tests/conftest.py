"""Settings that JAX and jaxtyping read when they are imported, before any test module does so."""

import atexit
import os
import resource
import shutil
import tempfile

import pytest

from tests import object_store

os.environ["XDANCER_TYPECHECK"] = "1"
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ["JAX_DEBUG_KEY_REUSE"] = "1"

# Compiling is most of the suite's time, and many tests build the same program: each is compiled once a session.
_cache = tempfile.mkdtemp(prefix="xdancer_jax_tests_")
atexit.register(shutil.rmtree, _cache, ignore_errors=True)
os.environ["JAX_COMPILATION_CACHE_DIR"] = _cache
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
# Two test processes that fill numba's default cache at once leave one that crashes whoever loads it.
os.environ["NUMBA_CACHE_DIR"] = os.path.join(_cache, "numba")
os.environ["NUMBA_OPT"] = "0"  # compiling librosa, once a session: 26 s of a core where 3 takes 45 s


@pytest.fixture(scope="session")
def _one_store():
    with object_store.running("bucket") as running:
        yield running


@pytest.fixture
def store(_one_store, monkeypatch):
    """An object store on loopback whose gs://bucket is empty, and which this process and those it starts take for
    Google's. One a session, because tensorstore looks for its address once."""
    _one_store.reset()
    for name, value in _one_store.environment.items():
        monkeypatch.setenv(name, value)
    return _one_store


@pytest.fixture
def full_disk():
    """Lets no file grow beyond 16 KiB, which libraries meet as they meet a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
