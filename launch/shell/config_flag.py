"""The flag --config of a command line: whether it names a config and its overrides name fields of it; its help."""

import difflib
import importlib.util
import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from configs import ranges
from launch import stages
from launch.shell import fields

FLAG, CLUSTER = "config", "cluster"
_MAKERS = {FLAG: "configs/STAGE.py:VARIANT", CLUSTER: "configs/cluster.py:VARIANT"}


def defined() -> list[str]:
    """The flags of this command that take a config."""
    return [flag for flag in _MAKERS if flag in flags.FLAGS]


def describe(argv: list[str], flag: str = FLAG) -> str:
    """The fields of the config that --config (or `flag`) names there, with the values given there; or how to get
    them."""
    table, chosen = _config_alone(argv, flag)
    if chosen is None:
        return f"Fields of a {flag}: give it before --help, --{flag} {_MAKERS[flag]}"
    source = config_flags.get_config_filename(table[flag]).split(":", 1)[0]
    return f"fields of the {flag}:\n{fields.listing(chosen, source, _ranges(chosen, source), flag)}"


def _ranges(config: ConfigDict, source: str) -> Mapping[str, ranges.Allowed]:
    """Of a stage's config, or of another one of configs/."""
    if config.get("name") in stages.names():
        return ranges.of_stage(config.name)
    name = f"configs.{Path(source).stem}"
    return getattr(importlib.import_module(name), "RANGES", {}) if importlib.util.find_spec(name) else {}


def check(argv: list[str], flag: str = FLAG) -> None:
    """Raises ValueError, which names the flag, where --config (or `flag`) names no config or --config.PATH none of its
    fields."""
    override = re.compile(rf"--?(?:no)?{flag}\.([^=]+)")
    given = [argument for argument in argv if not override.match(argument)]
    overridden = [match[1] for argument in argv if (match := override.match(argument))]
    try:
        _, config = _config_alone(given, flag)
        list(config or ())  # a file that could not be read says so at the first look
    except Exception as error:  # anything: the file is a program, and may be any file
        if isinstance(error, flags.Error) and "Traceback" not in str(error):
            raise
        raise ValueError(f"{_where(given, flag)}: not a config: {_reason(error)}") from error
    if config is None and overridden:
        raise ValueError(f"--{flag}.{overridden[0]}: give --{flag} too, {_MAKERS[flag]}")
    for path in overridden:
        _check_path(path.split("."), config, flag)


def _where(given: list[str], flag: str) -> str:
    """--FLAG=VALUE as it is given."""
    for argument, after in itertools.pairwise([*given, ""]):
        name, equals, value = argument.partition("=")
        if name in (f"--{flag}", f"-{flag}"):
            return f"--{flag}={value if equals else after}"
    return f"--{flag}"


def _config_alone(argv: list[str], flag: str = FLAG) -> tuple[flags.FlagValues, ConfigDict | None]:
    """(table of flags, config) of the flag --config (or `flag`) and its overrides by themselves."""
    table = flags.FlagValues()
    chosen = config_flags.DEFINE_config_file(flag, None, flag_values=table, lock_config=True, sys_argv=argv)
    table(argv, known_only=True)
    return table, chosen.value


def load(config_file: str) -> ConfigDict:
    """The locked config of FILE:VARIANT. Raises ValueError where it names none."""
    argv = ["", f"--{FLAG}={config_file}"]
    check(argv)
    return _config_alone(argv)[1]


def set_field(config: ConfigDict, name: str, value: Any) -> None:
    """Sets the field of a locked config with this dotted name. Raises ValueError, which names it, for an unknown one or
    a value of another type."""
    path = name.split(".")
    _check_path(path, config)
    block = config
    for part in path[:-1]:
        block = block[part]
    before = block[path[-1]]
    if isinstance(before, ConfigDict):
        raise ValueError(f"--{FLAG}.{name}: is a block; set its fields, {', '.join(sorted(before))}")
    if isinstance(before, bool) != isinstance(value, bool):  # to Python False is a number
        raise ValueError(f"--{FLAG}.{name}: {value!r} is of type {type(value).__name__}, not {type(before).__name__}")
    try:
        block[path[-1]] = value
    except TypeError as error:
        raise ValueError(
            f"--{FLAG}.{name}: {value!r} is of type {type(value).__name__}, not {type(before).__name__}"
        ) from error


def _check_path(path: list[str], config: ConfigDict, of: str = FLAG) -> None:
    block, flag = config, f"--{of}.{'.'.join(path)}"
    for depth, name in enumerate(path):
        where, (name, _, index) = ".".join([of, *path[:depth]]), name.partition("[")
        if not isinstance(block, ConfigDict):
            raise ValueError(f"{flag}: unknown {of} field: {where} has no fields, it is {block!r}")
        if name not in block:
            close = difflib.get_close_matches(name, list(block), 1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(sorted(block))}"
            raise ValueError(f"{flag}: unknown {of} field: {where} has no {name!r}; {hint}")
        if index:  # of a tuple; ml_collections knows
            return
        block = block[name]


def _reason(error: Exception) -> str:
    """The last line of an error that may hold a traceback; of a file that could not be read, why."""
    if isinstance(error, OSError) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, OSError) and "Attempted [" in str(error):
        return "no such file"
    last = (str(error).strip().splitlines() or [type(error).__name__])[-1].strip()
    return last.split(": ", 1)[-1] if "Traceback" in str(error) else last


__all__ = ["FLAG", "check", "defined", "describe", "load", "set_field"]
