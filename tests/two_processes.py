"""A command of launch/ in two real processes, which gloo connects."""

import os
import re
import socket
import subprocess
import sys

from tests import command_line

_GLOO = re.compile(r"\[Gloo\].*\n?")  # says on stdout that it is there


def run(module, *arguments, of_second=()):
    """`python -m MODULE ARGUMENTS` twice, with more arguments of the second: ([exit status], [stdout], [stderr])."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    command = [sys.executable, "-m", module, *arguments, f"--coordinator={address}", "--num_processes=2"]
    processes = [
        subprocess.Popen(
            [*command, f"--process_id={i}", *(of_second if i else ())], text=True, cwd=command_line.ROOT,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"JAX_PLATFORMS": "cpu"},
        ) for i in range(2)
    ]
    try:
        told = [process.communicate(timeout=600) for process in processes]
    finally:
        for process in processes:
            process.kill()
    out, err = ([_GLOO.sub("", text) for text in texts] for texts in zip(*told, strict=True))
    return [process.returncode for process in processes], out, err


__all__ = ["run"]
