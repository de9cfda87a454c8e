"""A trial on one Cloud TPU: its commands on all workers at once, by one gcloud over ssh.

JAX finds the workers of a Cloud TPU by itself. The command ends with the trial; where the connection breaks, what runs
there goes on, and the same command is refused by the run's lock until it is done.
"""

import shlex
import shutil
import subprocess

from ml_collections import ConfigDict

from launch.sweeps import clusters
from launch.sweeps.trials import Whole


def check(cluster: ConfigDict, out: str) -> None:
    """Raises ValueError, which names the field or flag, for a cluster or --out that tell not enough."""
    clusters.check(cluster, "tpu_vm")
    clusters.check_out(out)
    clusters.check_given(cluster, "name", "zone", "folder")
    if cluster.folder.startswith("~"):
        raise ValueError(f"cluster.folder={cluster.folder}: it is seen from the home directory there; leave out the ~/")


def command(trial: Whole, cluster: ConfigDict, out: str) -> list[str]:
    """The one command, for a shell or for `execute`. Raises ValueError as `check` does."""
    check(cluster, out)
    steps = [f"cd {shlex.quote(cluster.folder)}", *cluster.setup, *map(shlex.join, trial.commands(out))]
    return [
        "gcloud", "compute", "tpus", "tpu-vm", "ssh", cluster.name, f"--zone={cluster.zone}",
        *([f"--project={cluster.project}"] if cluster.project else []), "--worker=all",
        f"--command={' && '.join(steps)}",
    ]


def execute(trial: Whole, cluster: ConfigDict, out: str) -> int:
    """Runs it, its output on this one's, and returns its exit status.

    Raises ValueError as `check` does, and OSError where there is no gcloud.
    """
    made = command(trial, cluster, out)
    gcloud = shutil.which(made[0])
    if gcloud is None:
        raise OSError("gcloud is not installed here; install it, or run the printed commands where it is")
    return subprocess.run([gcloud, *made[1:]], check=False).returncode


__all__ = ["check", "command", "execute"]
