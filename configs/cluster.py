"""What the machines of a sweep are like, where they are not this one.

    python -m launch.sweep ... --out=gs://BUCKET/sweep --backend=gke
        --cluster=configs/cluster.py:gke_tpu --cluster.image=IMAGE

Variants: "gke_tpu" and "gke_gpu", JobSets on Google Kubernetes Engine; "slurm", jobs of an array; "tpu_vm", a Cloud TPU
over ssh. docs/launch.md leads from an empty project or account to a finished sweep.
"""

from ml_collections import ConfigDict

from configs.ranges import FREE, TEXTS, OneOf, whole

BACKENDS = {"gke_tpu": "gke", "gke_gpu": "gke", "slurm": "slurm", "tpu_vm": "tpu_vm"}  # by variant
VARIANTS = tuple(BACKENDS)
RANGES = {
    "backend": OneOf(tuple(dict.fromkeys(BACKENDS.values()))),
    # names, which launch/sweeps checks, and the cluster itself
    "image": FREE, "machine": FREE, "topology": FREE, "namespace": FREE, "queue": FREE, "service_account": FREE,
    "spot": FREE, "secrets": TEXTS, "env": TEXTS,
    "hosts": whole(1, 4096), "slices": whole(1, 1024), "restarts": whole(0), "grace_seconds": whole(15, 86_400),
    "partition": FREE, "account": FREE, "setup": TEXTS, "memory_gb": whole(0),
    "nodes": whole(1, 4096), "gpus_per_node": whole(0, 64), "cpus_per_task": whole(1, 1024), "time_minutes": whole(1),
    "requeues": whole(0), "signal_seconds": whole(10, 65_535), "array_parallelism": whole(1),
    "name": FREE, "zone": FREE, "project": FREE, "folder": FREE,
}


def get_config(variant: str = "gke_tpu") -> ConfigDict:
    """The cluster of a variant. Raises ValueError for an unknown one."""
    if variant not in VARIANTS:
        raise ValueError(f"cluster config: unknown variant {variant!r}; choose one of {VARIANTS}")
    config = ConfigDict()
    config.backend = BACKENDS[variant]  # of launch.sweep that takes this config; not to be set
    if variant == "gke_tpu":
        config.machine = "ct5lp-hightpu-4t"  # type of the node pool's machines; launch/sweeps/machines.py lists them
        config.topology = "4x4"  # chips of a slice; it decides how many hosts a slice has
        _gke(config)
    elif variant == "gke_gpu":
        config.machine = "a3-highgpu-8g"  # type of the node pool's machines; launch/sweeps/machines.py lists them
        config.hosts = 1  # machines a slice; a trial takes whole machines
        _gke(config)
        # The libraries of GKE's driver lie there; an image of NVIDIA's knows, one of plain Python does not.
        config.env = ("LD_LIBRARY_PATH=/usr/local/nvidia/lib64",)
    elif variant == "slurm":
        _slurm(config)
    else:
        _tpu_vm(config)
    return config


def _gke(config: ConfigDict) -> None:
    config.slices = 1  # of a trial, as its mesh.dcn_data: TPU slices, or groups of `hosts` GPU machines
    config.image = ""  # the project with its dependencies, its working directory the checkout: REGISTRY/NAME:TAG
    config.namespace = "default"  # of the cluster
    config.queue = ""  # LocalQueue of Kueue that trials wait in; "": they start when machines are free
    config.service_account = ""  # of Kubernetes, bound to one that may write to the bucket; "": the namespace's default
    config.spot = False  # True: the node pool has spot machines, which may go at any time
    # Starts anew after failures. What was asked to end and saved (exit status 75) is started anew without limit.
    config.restarts = 3
    # Between SIGTERM and SIGKILL, for the save. Spot machines give at most 15 s, or what the node pool extends it to.
    config.grace_seconds = 300
    config.secrets = ()  # names of Kubernetes secrets whose keys become environment variables; never values
    config.env = ()  # environment variables that are no secrets, each "NAME=VALUE"


def _slurm(config: ConfigDict) -> None:
    config.partition = ""  # "": the cluster's default
    config.account = ""  # that time is charged to; "": the user's default
    config.nodes = 1  # of a trial
    config.gpus_per_node = 8  # one process for each; 0: nodes without, one process on each
    config.cpus_per_task = 12  # of a process
    config.memory_gb = 0  # of a node; 0: all there is
    config.time_minutes = 1440  # a trial that takes longer is asked to save, and requeued
    config.requeues = 20  # of a trial at most
    config.signal_seconds = 300  # the signal to save (USR2) comes so long before the time is up
    config.array_parallelism = 64  # trials at once
    config.setup = ()  # shell lines before a trial's commands, e.g. ("source .venv/bin/activate",)


def _tpu_vm(config: ConfigDict) -> None:
    config.name = ""  # of the TPU, as `gcloud compute tpus tpu-vm list` shows it
    config.zone = ""  # that it is in
    config.project = ""  # of Google Cloud; "": gcloud's own setting
    config.folder = "xdancer_jax"  # the checkout on every worker, seen from the home directory there
    config.setup = ()  # shell lines before a trial's commands, e.g. ("source .venv/bin/activate",)
