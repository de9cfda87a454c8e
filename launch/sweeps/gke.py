"""Trials as JobSets on Google Kubernetes Engine: one manifest a trial, to be looked at, or applied by kubectl.

A JobSet knows no other one: whoever calls this gives only trials whose parents are done.

How the processes of a trial find one another: on TPUs GKE tells every container of a JobSet its number and the others
(TPU_WORKER_ID, TPU_WORKER_HOSTNAMES, TPU_SKIP_MDS_QUERY, over slices MEGASCALE_*), which is what JAX looks for. On GPUs
JAX would ask the API of Kubernetes, with an extra package, a service account that may, and for one Job alone; so there
each command gets --coordinator, --num_processes and --process_id from what the JobSet is and tells each container.
"""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from ml_collections import ConfigDict

from data_pipeline import files
from launch.shell import signals
from launch.sweeps import clusters, machines, pods
from launch.sweeps.trials import Whole

_ROLE = "slice"  # name of the JobSet's one replicated Job
_PORT = 8482  # of process 0; JAX's own on TPUs
_TPU_PORTS = (8471, 8080)  # between the TPU hosts of a slice, and over slices
_RESUMABLE = [signals.RESUMABLE, 128 + 15]  # exit statuses: saved after SIGTERM, or ended by it with nothing to save
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=.*", re.DOTALL)
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIAL", re.IGNORECASE)


def check(cluster: ConfigDict, out: str) -> None:
    """Raises ValueError, which names the field or flag, for a cluster or --out that no JobSet can be made of."""
    clusters.check(cluster, "gke")
    clusters.check_out(out)
    clusters.check_given(cluster, "image", "machine", "namespace", *(["topology"] if _on_tpus(cluster) else []))
    machines.find(cluster.machine, _on_tpus(cluster))
    hosts = _hosts(cluster)
    if _on_tpus(cluster) and cluster.slices > 1 and hosts == 1:
        raise ValueError(
            f"cluster.slices={cluster.slices}: GKE joins slices of several hosts only, and {cluster.machine} with "
            f"topology {cluster.topology} is one; give a larger cluster.topology"
        )
    for field, rule in (("namespace", _LABEL), ("queue", _NAME), ("service_account", _NAME)):
        if cluster[field] and not rule.fullmatch(cluster[field]):
            raise ValueError(f"cluster.{field}={cluster[field]}: no name in Kubernetes: a-z, 0-9 and - alone")
    for number, secret in enumerate(cluster.secrets, 1):
        if not _NAME.fullmatch(secret):  # which may be the secret itself, and is not printed
            raise ValueError(f"cluster.secrets: entry {number} is no name of a Kubernetes secret; values stay in there")
    for number, variable in enumerate(cluster.env, 1):
        name = _VARIABLE.fullmatch(variable)
        if not name:
            raise ValueError(f"cluster.env: entry {number} is not NAME=VALUE")
        if _SECRET.search(name[1]):
            raise ValueError(
                f"cluster.env: {name[1]} sounds like a secret, which would stand in every manifest; keep it as a "
                "Kubernetes secret, and give that one's name in cluster.secrets"
            )


def name(trial: Whole, cluster: ConfigDict, out: str) -> str:
    """Of the trial's JobSet: what can be kept of its id, and a hash of it and `out`."""
    added = f"-{_ROLE}-{cluster.slices - 1}-{_hosts(cluster) - 1}-abcde"  # JobSet's names of pods, at most 63 in all
    digest = hashlib.sha256(f"{out.rstrip('/')}\n{trial.id}".encode()).hexdigest()[:10]
    readable = re.sub(r"[^a-z0-9]+", "-", trial.id.lower()).strip("-")
    if not re.match("[a-z]", readable):  # it names a service as well, which starts with a letter
        readable = f"trial-{readable}"
    return f"{readable[: 63 - len(added) - len(digest) - 1].rstrip('-')}-{digest}"


def manifest(trial: Whole, cluster: ConfigDict, out: str) -> dict[str, Any]:
    """The JobSet of a trial, its runs in `out`. Raises ValueError as `check` does."""
    check(cluster, out)
    named = name(trial, cluster, out)
    annotations = {"xdancer-jax/trial": trial.id}
    if _on_tpus(cluster) and _hosts(cluster) > 1:
        # A slice of several hosts is a node pool, and the pods of one Job must lie in one.
        annotations["alpha.jobset.sigs.k8s.io/exclusive-topology"] = "cloud.google.com/gke-nodepool"
    return {
        "apiVersion": "jobset.x-k8s.io/v1alpha2",
        "kind": "JobSet",
        "metadata": {
            "name": named,
            "namespace": cluster.namespace,
            "labels": {"kueue.x-k8s.io/queue-name": cluster.queue} if cluster.queue else {},
            "annotations": annotations,
        },
        "spec": {
            "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True},
            "failurePolicy": {
                "maxRestarts": cluster.restarts,
                # Jobs that fail by _job's podFailurePolicy.
                "rules": [{
                    "name": "resumable", "action": "RestartJobSetAndIgnoreMaxRestarts",
                    "onJobFailureReasons": ["PodFailurePolicy"],
                }],
            },
            "replicatedJobs": [{
                "name": _ROLE,
                "replicas": cluster.slices,
                "template": {"spec": _job(cluster, pods.script(trial.commands(out), _flags(cluster, named)))},
            }],
        },
    }


def render(trials: Iterable[Whole], cluster: ConfigDict, out: str, folder: str | Path) -> list[Path]:
    """Writes the manifests into `folder`, one file each, and returns the paths.

    Raises ValueError as `check` does, and OSError where nothing can be written.
    """
    files.check_here(folder)
    Path(folder).mkdir(parents=True, exist_ok=True)
    paths = []
    for trial in trials:
        made = manifest(trial, cluster, out)
        paths.append(Path(folder) / f"{made['metadata']['name']}.yaml")
        files.write_atomically(paths[-1], text([made]).encode(), durable=False)
    return paths


def apply(trials: Iterable[Whole], cluster: ConfigDict, out: str) -> list[str]:
    """Gives the manifests to kubectl, for the cluster that it is set to; the names of the JobSets.

    One that is there already, the same, stays as it is. Raises ValueError as `check` does, and OSError where there is
    no kubectl, or it fails.
    """
    made = [manifest(trial, cluster, out) for trial in trials]
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise OSError("kubectl is not installed here; install it, or apply the rendered files where it is")
    done = subprocess.run([kubectl, "apply", "-f", "-"], input=text(made), capture_output=True, text=True, check=False)
    if done.returncode:
        told = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        more = f" (and {len(told) - 1} more lines)" if len(told) > 1 else ""
        raise OSError(f"kubectl apply ended with status {done.returncode}: {told[0].strip()}{more}")
    return [each["metadata"]["name"] for each in made]


def text(manifests: Sequence[dict[str, Any]]) -> str:
    """As YAML, scripts in lines."""
    return yaml.dump_all(manifests, Dumper=_Dumper, sort_keys=False, explicit_start=True, width=1000)


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # the C one is six times faster
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent(dumper: _Dumper, data: str) -> yaml.Node:
    return dumper.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)


_Dumper.add_representer(str, _represent)


def _on_tpus(cluster: ConfigDict) -> bool:
    return "topology" in cluster


def _hosts(cluster: ConfigDict) -> int:
    """Of a slice."""
    return machines.hosts(cluster.machine, cluster.topology) if _on_tpus(cluster) else cluster.hosts


def _flags(cluster: ConfigDict, named: str) -> list[str]:
    """What tells each process of the others, as shell text; nothing on TPUs."""
    if _on_tpus(cluster):
        return []
    hosts = _hosts(cluster)
    return [
        f"--coordinator={named}-{_ROLE}-0-0.{named}:{_PORT}",
        f"--num_processes={cluster.slices * hosts}",
        f'"--process_id=$((JOB_INDEX * {hosts} + JOB_COMPLETION_INDEX))"',
    ]


def _job(cluster: ConfigDict, script: str) -> dict[str, Any]:
    """One slice: a pod on each host. It fails as soon as one of them does, and the JobSet starts all anew."""
    return {
        "parallelism": _hosts(cluster),
        "completions": _hosts(cluster),
        "completionMode": "Indexed",
        "backoffLimit": 0,
        "podFailurePolicy": {"rules": [
            {"action": "FailJob", "onExitCodes": {"operator": "In", "values": _RESUMABLE}},
            {"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        ]},
        "template": {"spec": _pod(cluster, script)},
    }


def _pod(cluster: ConfigDict, script: str) -> dict[str, Any]:
    machine = machines.find(cluster.machine, _on_tpus(cluster))
    resource = "google.com/tpu" if machine.is_tpu else "nvidia.com/gpu"
    selector = {"node.kubernetes.io/instance-type": cluster.machine}
    if machine.is_tpu:
        selector["cloud.google.com/gke-tpu-accelerator"] = machine.accelerator
        selector["cloud.google.com/gke-tpu-topology"] = cluster.topology
    else:
        selector["cloud.google.com/gke-accelerator"] = machine.accelerator
    tolerations = [{"key": resource, "operator": "Exists", "effect": "NoSchedule"}]
    if cluster.spot:
        selector["cloud.google.com/gke-spot"] = "true"
        tolerations.append(
            {"key": "cloud.google.com/gke-spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"}
        )
    account = {"serviceAccountName": cluster.service_account} if cluster.service_account else {}
    return {
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": cluster.grace_seconds,
        **account,
        "nodeSelector": selector,
        "tolerations": tolerations,
        "containers": [_container(cluster, script, {resource: machine.devices})],
        # Containers have 64 MB of shared memory; loader processes and NCCL need more.
        "volumes": [{"name": "shm", "emptyDir": {"medium": "Memory"}}],
    }


def _container(cluster: ConfigDict, script: str, devices: dict[str, int]) -> dict[str, Any]:
    variables = [variable.split("=", 1) for variable in cluster.env]
    env: list[dict[str, Any]] = [{"name": key, "value": pods.escaped(value)} for key, value in variables]
    if not _on_tpus(cluster):
        label = {"fieldPath": "metadata.labels['jobset.sigs.k8s.io/job-index']"}
        env.append({"name": "JOB_INDEX", "valueFrom": {"fieldRef": label}})
    ports = (_PORT, *(_TPU_PORTS if _on_tpus(cluster) else ()))
    return {
        "name": "trial",
        "image": cluster.image,
        "command": ["sh", "-c", pods.escaped(script)],
        "env": env,
        "envFrom": [{"secretRef": {"name": secret}} for secret in cluster.secrets],
        "ports": [{"containerPort": port} for port in ports],
        "resources": {"limits": devices},
        "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}],
    }


__all__ = ["apply", "check", "manifest", "name", "render", "text"]
