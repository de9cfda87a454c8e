"""The commands."""

import sys

if sys.argv[:1] == ["-m"]:  # `python -m launch.NAME`, whose modules are still to be imported
    from launch.shell import signals

    signals.quick()
