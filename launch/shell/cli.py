"""The frame of every main: memory is kept, flags are parsed, expected errors become one line and a non-zero exit."""

import logging as std_logging
import os
import sys
import warnings
from collections.abc import Callable

from absl import app, flags, logging

from launch.shell import memory

# What bad input raises, anywhere below: each message names the file, field or flag and the way out.
EXPECTED = (ValueError, OSError, FloatingPointError, ImportError)


def run(main: Callable[[list[str]], None]) -> None:
    """absl's app.run for `main`. With --verbosity=1 an expected error keeps its traceback."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    warnings.filterwarnings("ignore", category=SyntaxWarning)
    memory.keep_freed()

    def guarded(argv: list[str]) -> None:
        if len(argv) > 1:
            raise app.UsageError(f"unknown arguments: {' '.join(argv[1:])}")
        _quiet_libraries()
        try:
            main(argv)
        except EXPECTED as error:
            if logging.get_verbosity() > logging.INFO:
                raise
            sys.exit(f"error: {error}")

    app.run(guarded, flags_parser=_parse)


def _parse(argv: list[str]) -> list[str]:
    """Flags; an unknown or mistyped config field is an AttributeError, KeyError or TypeError of ml_collections."""
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        sys.exit(f"error: {_last_line(error)} (--helpshort lists the flags)")
    except (AttributeError, KeyError) as error:
        sys.exit(f"error: unknown config field: {_last_line(error)}")
    except (TypeError, ValueError, OSError) as error:
        sys.exit(f"error: {_last_line(error)}")


def _last_line(error: Exception) -> str:
    """What went wrong; config_flags puts a whole traceback before it, ml_collections a suggestion behind it."""
    lines = [line.strip() for line in str(error).strip().splitlines() if line.strip()]
    if "Traceback" in str(error):
        return lines[-1].split(": ", 1)[-1]
    return " ".join(lines).replace("\\n", " ").strip("'\"") or type(error).__name__


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
