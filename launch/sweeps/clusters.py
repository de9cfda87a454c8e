"""What every backend that runs trials on other machines asks of its cluster (configs/cluster.py) and of --out."""

import re

from ml_collections import ConfigDict

from configs import cluster as configs_cluster
from launch.shell import fields

_BUCKET = re.compile(r"gs://[^/\s]+(/\S*)?")


def check(cluster: ConfigDict, backend: str) -> None:
    """Raises ValueError, which names the field, for a value out of its range or a cluster of another backend."""
    if cluster.backend != backend:
        variants = [name for name, other in configs_cluster.BACKENDS.items() if other == backend]
        raise ValueError(
            f"--backend={backend}: this cluster is for --backend={cluster.backend}; give --cluster="
            f"configs/cluster.py:{' or :'.join(variants)}"
        )
    fields.check(cluster, configs_cluster.RANGES, "cluster")


def check_given(cluster: ConfigDict, *names: str) -> None:
    """Raises ValueError for the first of these fields that is still empty."""
    for name in names:
        if not cluster[name]:
            raise ValueError(f"cluster.{name} is empty: give --cluster.{name}=...; configs/cluster.py says what it is")


def check_out(out: str) -> None:
    """Raises ValueError for a work directory that machines elsewhere would not share with this one."""
    if not _BUCKET.fullmatch(out):
        raise ValueError(f"--out={out}: the cluster's machines share no folder with this one; give gs://BUCKET/FOLDER")


def check_data(data: str) -> None:
    """Raises ValueError for a data set that machines elsewhere would not see."""
    if not _BUCKET.fullmatch(data):
        raise ValueError(f"config.data.dir={data}: the cluster's machines do not see it; copy it to gs://BUCKET/FOLDER")


__all__ = ["check", "check_data", "check_given", "check_out"]
