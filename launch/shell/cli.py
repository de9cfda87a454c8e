"""The frame of every main: memory is kept, flags are parsed, expected errors become one line and a non-zero exit,
and so do Ctrl-C and SIGTERM (130 and 143).

--help exits with 0. A flag of one value is given once; no flag of a command is given empty.
"""

import logging as std_logging
import os
import re
import sys
import warnings
from collections.abc import Callable

from absl import app, flags, logging

from launch.shell import config_flag, signals

# What bad input raises, anywhere below: each message names the file, field or flag and the way out.
EXPECTED = (ValueError, OSError, FloatingPointError, ImportError)
_HELP = {"--help", "-help", "-h", "-?", "--helpshort", "-helpshort"}
# How absl and Python say it -> how we do.
_PLAINER = (
    (r"^flag --([\w.]+)=None: Flag .* must have a value other than None\.$", r"--\1 is missing"),
    (r"^flags .*: Exactly one of \((.*)\) must have a value other than None\.$", r"give exactly one of the flags \1"),
    (r"^flag (?=--)", ""),
    (r"invalid literal for int\(\) with base 10: ", "expected a whole number, got "),
    (r"could not convert string to float: ", "expected a number, got "),
)


def run(main: Callable[[list[str]], None], computes: bool = True) -> None:
    """absl's app.run for `main`. With --verbosity=1 an expected error keeps its traceback.

    computes: False for a command that never needs JAX, which is not even imported then.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    warnings.filterwarnings("ignore", category=SyntaxWarning)
    warnings.filterwarnings("ignore", "coroutine .* was never awaited", RuntimeWarning)  # Orbax's, of a failed save
    if computes:
        from launch.shell import memory  # brings in JAX

        memory.keep_freed()

    def guarded(argv: list[str]) -> None:
        _quiet_libraries()
        try:
            main(argv)
        except EXPECTED as error:
            if logging.get_verbosity() > logging.INFO:
                raise
            sys.exit(f"error: {error}")

    with signals.handled():
        try:
            app.run(guarded, flags_parser=_parse)
        except KeyboardInterrupt as error:
            print(signals.line(error), file=sys.stderr)
            sys.exit(signals.status(error))


def _parse(argv: list[str]) -> list[str]:
    """Flags, or help. A mistyped value of a config field is a TypeError of ml_collections."""
    try:
        _check_encoding(argv)
        argv = [_at_home(argument) for argument in argv]
        for flag in config_flag.defined():
            config_flag.check(argv, flag)
        if _HELP.intersection(argv):
            _help(argv)
        rest = flags.FLAGS(argv)
        _check_given(rest)
        return rest
    except flags.Error as error:
        sys.exit(f"error: {_message(error)} (--help lists the flags)")
    except (TypeError, ValueError, OSError) as error:
        sys.exit(f"error: {_message(error)}")


def _help(argv: list[str]) -> None:
    print(f"{sys.modules['__main__'].__doc__}\nflags:\n{flags.FLAGS.main_module_help()}")
    for flag in config_flag.defined():
        print(f"\n{config_flag.describe(argv, flag)}")
    sys.exit(0)


def _check_encoding(argv: list[str]) -> None:
    """Raises ValueError for an argument that cannot be printed or stored, as names of files are."""
    for argument in argv:
        try:
            argument.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"{ascii(argument)}: not UTF-8; rename the file") from error


def _at_home(argument: str) -> str:
    """~ and ~NAME at the start of a value, which shells leave as they are behind "=", become the home directory.

    Raises ValueError where there is no such user.
    """
    name, value = re.fullmatch(r"(-[^=]*=(?:[a-z][a-z0-9]+:(?!//))?)?(.*)", argument, re.DOTALL).groups("")
    home = os.path.expanduser(value)
    if home.startswith("~"):
        raise ValueError(f"{argument}: no user {home.split('/')[0][1:]!r} has a home directory; write the whole path")
    return name + home


def _check_given(rest: list[str]) -> None:
    """Raises flags.Error for arguments without a flag, for one value given twice, and for an empty one."""
    if len(rest) > 1:
        raise flags.Error(f"{' '.join(rest[1:])}: no flag before it; write --name=value")
    for name, flag in flags.FLAGS.flag_values_dict().items():
        given = flags.FLAGS[name]
        if "." in name or not given.present:  # fields of a config may be empty, and the last one counts
            continue
        several = isinstance(given, flags.MultiFlag)
        if given.present > 1 and not several:
            raise flags.Error(f"--{name} is given {given.present} times, and takes one value")
        if flag == "" or (several and "" in flag):
            raise flags.Error(f"--{name}= is empty: give it a value, or leave it out")


def _message(error: Exception) -> str:
    """What went wrong, in one line and plain words."""
    text = " ".join(line.strip() for line in str(error).splitlines() if line.strip()) or type(error).__name__
    for pattern, plainer in _PLAINER:
        text = re.sub(pattern, plainer, text)
    return text


def _quiet_libraries() -> None:
    """Our own INFO lines, and warnings of everyone else (Orbax writes a dozen lines a checkpoint)."""
    if logging.get_verbosity() == logging.INFO:  # not chosen on the command line
        logging.set_verbosity(logging.WARNING)
        logging.use_absl_handler()
        # Orbax logs the traceback of an error in a thread, and raises it as well.
        logging.get_absl_handler().addFilter(lambda record: record.exc_info is None)
        ours = std_logging.getLogger("xdancer_jax")
        ours.setLevel(std_logging.INFO)
        handler = std_logging.StreamHandler()
        handler.setFormatter(std_logging.Formatter("%(message)s"))
        ours.addHandler(handler)
        ours.propagate = False
