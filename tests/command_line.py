"""A command of launch/ run inside the test's own process: what a user types, without importing jax anew for it."""

import contextlib
import importlib
import io
import logging as std_logging
import re
import runpy
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple
from unittest import mock

from absl import flags, logging

from launch.shell import distributed, memory

ROOT = Path(__file__).parents[1]
_MAINS = re.compile(r"launch\.\w+|benchmarks\..*")  # modules whose flags are those of one command


class Done(NamedTuple):
    """Exit status, and what stood on stdout and stderr."""

    returncode: int
    stdout: str
    stderr: str


def run(module: str, *arguments: str) -> Done:
    """`python -m MODULE ARGUMENTS` in the repository's root. An error that would be a traceback is raised."""
    out, err = io.StringIO(), io.StringIO()
    code = None
    with (
        contextlib.chdir(ROOT), _flags_of_one_command(), _logging_kept(), warnings.catch_warnings(),
        mock.patch.object(sys, "argv", [module, *arguments]), mock.patch.object(memory, "keep_freed"),
        mock.patch.object(distributed, "join"),
        contextlib.redirect_stdout(out), contextlib.redirect_stderr(err),
    ):
        warnings.filterwarnings("ignore", r"the load_module\(\) method", DeprecationWarning)  # ml_collections uses it
        try:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        except SystemExit as exit_:
            code = exit_.code
    if isinstance(code, str):  # as the interpreter does
        err.write(code + "\n")
        code = 1
    return Done(code or 0, out.getvalue(), err.getvalue())


def imported(module: str) -> ModuleType:
    """The module of a command, without its flags, which may have the names of another's."""
    with _flags_of_one_command():
        return importlib.import_module(module)


@contextlib.contextmanager
def _flags_of_one_command() -> Iterator[None]:
    """absl has one table of flags a process: those of other mains leave it inside, those of this one afterwards.

    Flags of libraries that are imported inside stay, as the modules do; every value is reset.
    """
    table = vars(flags.FLAGS)
    before = {key: dict(table[key]) for key in ("__flags", "__flags_by_module", "__flags_by_module_id")}
    parsed = table["__flags_parsed"]
    for module, found in table["__flags_by_module"].items():
        if _MAINS.fullmatch(module):
            for flag in found:
                table["__flags"].pop(flag.name, None)
    kept = set(table["__flags"])
    sys.modules.pop("benchmarks.training_flags", None)  # flags that several benchmarks have: defined anew
    try:
        yield
    finally:
        sys.modules.pop("config_config", None)  # else what another config's file lacks is found there
        modules = {flag.name: module for module, of in table["__flags_by_module"].items() for flag in of}
        new = {
            name: flag for name, flag in table["__flags"].items()
            if name not in kept and not name.startswith(("config", "cluster"))
            and not modules.get(name, "").endswith(".py")
        }
        for key in ("__flags_by_module", "__flags_by_module_id"):
            libraries = {of: found for of, found in table[key].items() if any(flag.name in new for flag in found)}
            table[key] = libraries | before[key]
        table["__flags"] = before["__flags"] | new
        for flag in table["__flags"].values():
            flag.unparse()
        table["__flags_parsed"] = parsed


@contextlib.contextmanager
def _logging_kept() -> Iterator[None]:
    """A main quiets libraries and gives our loggers a handler; tests that follow want them as they were."""
    root, ours, verbosity = std_logging.getLogger(), std_logging.getLogger("xdancer_jax"), logging.get_verbosity()
    handlers = {logger: list(logger.handlers) for logger in (root, ours)}
    levels, propagate = {logger: logger.level for logger in (root, ours)}, ours.propagate
    filters = list(logging.get_absl_handler().filters)
    try:
        yield
    finally:
        for logger, kept in handlers.items():
            logger.handlers[:] = kept
            logger.setLevel(levels[logger])
        ours.propagate = propagate
        logging.get_absl_handler().filters[:] = filters
        logging.set_verbosity(verbosity)


__all__ = ["Done", "imported", "run"]
