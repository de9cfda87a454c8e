"""The Dockerfile, which is not built here, held against what it names."""

import re
import runpy
from unittest import mock

import pytest
import setuptools

from tests.command_line import ROOT

TEXT = (ROOT / "Dockerfile").read_text()


@pytest.fixture(scope="module")
def stated():
    """What setup.py gives to setuptools."""
    with mock.patch.object(setuptools, "setup") as setup, pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        runpy.run_path("setup.py")
    return setup.call_args.kwargs


def test_targets_install_extras_that_there_are(stated):
    targets = dict(re.findall(r"^ +(\w+)\) extras=([\w,]+)", TEXT, re.MULTILINE))
    assert targets.keys() == {"cuda", "tpu", "cpu"}
    for target, extras in targets.items():
        assert set(extras.split(",")) <= stated["extras_require"].keys()
        assert ("cuda" in extras, "tpu" in extras) == (target == "cuda", target == "tpu")


def test_an_unknown_target_ends_the_build():
    assert re.search(r"\*\) echo .*exit 1 ;;", TEXT)


def test_python_is_one_that_the_project_takes_and_pinned():
    assert re.search(r"^FROM python:3\.12\.\d+-slim-\w+$", TEXT, re.MULTILINE)


def test_nothing_runs_as_root_and_code_comes_after_packages():
    steps = [line.split()[0] for line in TEXT.splitlines() if re.match(r"[A-Z]+ ", line)]
    assert steps.index("USER") < steps.index("COPY") and re.search(r"^USER [1-9]\d*$", TEXT, re.MULTILINE)
    assert TEXT.index("COPY --chown=dancer:dancer setup.py") < TEXT.index("pip install \".[") < TEXT.index(" . .\n")


def test_all_that_is_installed_gets_into_the_image(stated):
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    packages = {name.split(".")[0] for name in stated["packages"]}
    assert packages | {"setup.py", "pyproject.toml", "README.md"} <= allowed
    assert all((ROOT / name).exists() for name in allowed)
    assert not {name for name in allowed if name.startswith(".") or name in ("tests", "out", "data")}
