"""Which checks apply, in their order.

Each is imported when its turn comes: a package that is missing is a line of what needs it, and the others go on.
"""

import importlib
from collections.abc import Callable, Iterator
from typing import Any

from ml_collections import ConfigDict

from launch.checks.findings import Finding, caught
from launch.checks.processes import Group

_MACHINE = "see that the driver works (nvidia-smi, or that no other process holds the TPU) and JAX_PLATFORMS names it"
_STORAGE = "make room and see that you may write there, or give another --workdir"
_WORKDIR = "give another --workdir, or the config of the run that is there"
_FIELDS = "launch.train --config FILE --help lists the fields with their ranges"
_DATA = "see that it is there whole, and that this user may read it"
_TEMPORARY = "make room among the temporary files, or set TMPDIR"

Check = tuple[str, str, Callable[[], Finding | None]]  # name, what to do where a library fails, what looks


def found(config: ConfigDict | None, workdir: str | None, group: Group) -> Iterator[Finding]:
    """What the checks find, each as it ends. Devices are not started where the processes did not join: on a TPU that
    waits for all of them."""
    for name, remedy, check in _checks(config, workdir, group):
        finding = caught(name, remedy, check)
        if finding is not None:
            yield finding


def _checks(config: ConfigDict | None, workdir: str | None, group: Group) -> Iterator[Check]:
    yield "packages", "", _of("machine.packages")
    if group.joined:
        yield "devices", _MACHINE, _of("machine.devices")
        if config is not None:
            yield "mesh", "", _of("run.mesh", config)
        yield "device memory", _MACHINE, _of("machine.device_memory")
    yield "host memory", "", _of("machine.host_memory")
    if workdir is not None:
        yield "free disk", _STORAGE, _of("storage.room", workdir)
        yield "storage", _STORAGE, _of("storage.writing", workdir)
        yield "clock", _STORAGE, _of("storage.clock", workdir)
    if config is not None:
        yield from _of_run(config, workdir, group)
    yield "video", _TEMPORARY, _of("tools.video")
    yield "tensorboard", _TEMPORARY, _of("tools.tensorboard")
    yield "pose weights", "", _of("tools.pose_weights")


def _of_run(config: ConfigDict, workdir: str | None, group: Group) -> Iterator[Check]:
    yield "config", _FIELDS, _of("run.fields", config)
    if workdir is not None:
        yield "work dir", _WORKDIR, _of("run.workdir", config, workdir, group.number == 0)
    yield "parts", "", _of("run.parts", config, workdir)
    yield "data", _DATA, _of("data.data_set", config, workdir)
    yield "data", _DATA, _of("data.replayed", config)


def _of(name: str, *arguments: Any) -> Callable[[], Finding | None]:
    """The function of a module here, with its arguments."""
    module, _, function = name.partition(".")
    return lambda: getattr(importlib.import_module(f"launch.checks.{module}"), function)(*arguments)


__all__ = ["found"]
