"""A command of launch/, launch.train if not said otherwise, in several real processes, connected by gloo."""

import contextlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from launch.shell import fields
from tests import command_line

_GLOO = re.compile(r"\[Gloo\].*\n?")  # says on stdout that it is there


class Ended(NamedTuple):
    """Exit statuses and what stood on stderr, by process."""

    statuses: list[int]
    told: list[str]


def address():
    """HOST:PORT that is free now."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return f"localhost:{free.getsockname()[1]}"


def arguments(variant, config, workdir):
    """Of launch.train, for a `config` that is not resolved: every field as it stands in it."""
    stage, _, name = variant.partition(":")
    given = [f"--config.{'.'.join(path)}={value}" for path, value in fields.leaves(config) if path != ("name",)]
    return [f"--config=configs/{stage}.py:{name}", f"--workdir={workdir}", *given]


@contextlib.contextmanager
def started(
    commands: Sequence[Sequence[str]], environments: Sequence[Mapping[str, str]] | None = None,
    module: str = "launch.train",
) -> Iterator[list[subprocess.Popen]]:
    """Processes of `module`, of one list of arguments each, with their own further environment; killed at the end.

    Without `environments` they are joined by flags.
    """
    if environments is None:
        environments, joined = [{}] * len(commands), [f"--coordinator={address()}", f"--num_processes={len(commands)}"]
        commands = [[*command, *joined, f"--process_id={i}"] for i, command in enumerate(commands)]
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", module, *command], text=True, cwd=command_line.ROOT,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"JAX_PLATFORMS": "cpu"} | dict(own),
        ) for command, own in zip(commands, environments, strict=True)
    ]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def ended(processes: Sequence[subprocess.Popen], timeout: float = 1200) -> Ended:
    told = [process.communicate(timeout=timeout)[1] for process in processes]
    return Ended([process.returncode for process in processes], told)


def train(commands: Sequence[Sequence[str]], environments: Sequence[Mapping[str, str]] | None = None) -> Ended:
    """Runs them to their end."""
    with started(commands, environments) as processes:
        return ended(processes)


def run(module, *arguments, of_second=()):
    """`python -m MODULE ARGUMENTS` twice, with more arguments of the second: ([exit status], [stdout], [stderr])."""
    with started([arguments, [*arguments, *of_second]], module=module) as group:
        told = [process.communicate(timeout=600) for process in group]
    out, err = ([_GLOO.sub("", text) for text in texts] for texts in zip(*told, strict=True))
    return [process.returncode for process in group], out, err


__all__ = ["Ended", "address", "arguments", "ended", "run", "started", "train"]
