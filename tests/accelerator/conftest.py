"""What only an accelerator can show; not part of `make test`.

    JAX_PLATFORMS=cuda python -m pytest tests/accelerator
"""

import jax
import pytest


def pytest_collection_modifyitems(items):
    for item in items:
        item.add_marker(pytest.mark.accelerator)


@pytest.fixture(scope="session", autouse=True)
def accelerator():
    if jax.default_backend() == "cpu":
        pytest.fail("tests/accelerator needs a GPU or a TPU: set JAX_PLATFORMS=cuda or tpu")
