"""The flag --config of a command line: whether it names a config and its overrides name fields of it; its help."""

import difflib
import re
from typing import Any

from absl import flags
from ml_collections import ConfigDict, config_flags

from configs import ranges
from launch import stages
from launch.shell import fields

FLAG = "config"
_OVERRIDE = re.compile(rf"--?(?:no)?{FLAG}\.([^=]+)")


def defined() -> bool:
    """Whether this command has the flag."""
    return FLAG in flags.FLAGS


def describe(argv: list[str]) -> str:
    """The fields of the config that --config names there, with the values given there; or how to get them."""
    table, chosen = _config_alone(argv)
    if chosen is None:
        return "Fields of a config: give it before --help, --config configs/STAGE.py:VARIANT"
    source = config_flags.get_config_filename(table[FLAG]).split(":", 1)[0]
    allowed = ranges.of_stage(chosen.name) if chosen.get("name") in stages.names() else {}
    return f"fields of the config:\n{fields.listing(chosen, source, allowed)}"


def check(argv: list[str]) -> None:
    """Raises ValueError, which names the flag, where --config names no config or --config.PATH none of its fields."""
    given = [argument for argument in argv if not _OVERRIDE.match(argument)]
    try:
        _, config = _config_alone(given)
        if config is None:
            return
        list(config)  # a file that could not be read says so at the first look
    except Exception as error:  # anything: the file is a program, and may be any file
        if isinstance(error, flags.Error) and "Traceback" not in str(error):
            raise
        where = next((x for x in given if x.startswith((f"--{FLAG}=", f"-{FLAG}="))), f"--{FLAG}")
        raise ValueError(f"{where}: not a config: {_reason(error)}") from error
    for argument in argv:
        if match := _OVERRIDE.match(argument):
            _check_path(match[1].split("."), config)


def _config_alone(argv: list[str]) -> tuple[flags.FlagValues, ConfigDict | None]:
    """(table of flags, config) of the flag --config and its overrides by themselves."""
    table = flags.FlagValues()
    chosen = config_flags.DEFINE_config_file(FLAG, None, flag_values=table, lock_config=True, sys_argv=argv)
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


def _check_path(path: list[str], config: ConfigDict) -> None:
    block, flag = config, f"--{FLAG}.{'.'.join(path)}"
    for depth, name in enumerate(path):
        where, (name, _, index) = ".".join([FLAG, *path[:depth]]), name.partition("[")
        if not isinstance(block, ConfigDict):
            raise ValueError(f"{flag}: unknown config field: {where} has no fields, it is {block!r}")
        if name not in block:
            close = difflib.get_close_matches(name, list(block), 1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(sorted(block))}"
            raise ValueError(f"{flag}: unknown config field: {where} has no {name!r}; {hint}")
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
