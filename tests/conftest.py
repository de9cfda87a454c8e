"""Settings that JAX and jaxtyping read when they are imported, before any test module does so."""

import atexit
import os
import resource
import shutil
import tempfile

import pytest

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


@pytest.fixture
def full_disk():
    """Lets no file grow beyond 16 KiB, which libraries meet as they meet a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16_384, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
