"""A trial's commands as the one process of a container: in sequence, each ended by the pod's SIGTERM as by Ctrl-C.

A container's first process is not ended by a signal that it does not handle, and a shell hands none on. So the shell
here does: what runs gets SIGTERM, saves, and its exit status is the container's.
"""

import re
import shlex
from collections.abc import Sequence

from launch.shell import signals

_SCRIPT = """\
child= stop= came= told=
# A fork that is not the command yet loses signals, and two of them are one too many.
tell() { sleep 1; [ -n "$told" ] || { told=1; kill -TERM "$child" 2>/dev/null; }; }
trap 'stop=1 came=1; [ -z "$child" ] || tell' TERM
run() {
  [ -z "$stop" ] || return RESUMABLE
  "$@" & child=$!
  [ -z "$came" ] || tell
  wait "$child"; status=$?
  # A signal ends `wait` before the command ends; 127, and -1 in bash, is of one that ended before.
  while [ -n "$came" ]; do
    came=
    wait "$child"; again=$?
    case $again in 127 | -1) ;; *) status=$again ;; esac
  done
  child=
  return "$status"
}
""".replace("RESUMABLE", str(signals.RESUMABLE))


def script(commands: Sequence[Sequence[str]], flags: Sequence[str] = ()) -> str:
    """For `sh -c`: the commands, each only after the success of the one before.

    flags: more flags of each, as shell text; variables are put in by the shell.
    """
    return _SCRIPT + " &&\n".join(" ".join(["run", shlex.join(command), *flags]) for command in commands) + "\n"


def escaped(text: str) -> str:
    """`text` so that Kubernetes, which puts variables into commands and values by $(NAME), leaves it as it is."""
    return re.sub(r"\$(?=[$(])", "$$", text)


__all__ = ["escaped", "script"]
