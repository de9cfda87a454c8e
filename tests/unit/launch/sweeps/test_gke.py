"""Manifests hold against JobSet's own schema, tell JAX and our flags of all processes, and reach kubectl."""

import copy
import itertools
import os
import re
import subprocess
import time
from pathlib import Path

import jsonschema
import pytest
import yaml
from jax._src.clusters import cloud_tpu_cluster

from configs import cluster as configs
from launch.shell import distributed, signals
from launch.sweeps import gke, machines
from tests.kubernetes import expanded

OUT = "gs://bucket/sweep"
IDS = [
    "motion_medium-global_music=False-seed=1-3fa9c1d2", "a", "A", "=", "-", "", "_x_", "1e-3", "ünïcode=é-0badcafe",
    "video_paper_motion-" + "learning_rate=0.0003," * 8 + "seed=12-3fa9c1d2", "x" * 300, "x/../../etc", "Grüße.+,~",
    "motion=" + "-" * 80 + "1", 'quote"\'`$(id) $HOME', "a\nb", "true", "null", "1",
]


def cluster(variant="gke_tpu", **fields):
    made = configs.get_config(variant)
    made.update(image="europe-docker.pkg.dev/p/r/xdancer:1", **fields)
    return made.lock()


CLUSTERS = {
    "tpu": cluster(),
    "tpu_one_host": cluster(topology="2x2"),
    "tpu_slices": cluster(machine="ct5p-hightpu-4t", topology="4x4x8", slices=3, queue="research", spot=True),
    "tpu_all": cluster(
        machine="ct6e-standard-4t", topology="16x16", slices=100, namespace="team-a", queue="q", restarts=0,
        service_account="trainer", secrets=("wandb", "hub.read"), env=("A=1", "B=x=$(A) $$"), grace_seconds=900,
    ),
    "gpu": cluster("gke_gpu"),
    "gpu_hosts": cluster("gke_gpu", machine="a3-ultragpu-8g", hosts=4, slices=2, spot=True, secrets=("wandb",)),
    "gpu_small": cluster("gke_gpu", machine="g2-standard-12", env=()),
    "gpu_largest": cluster("gke_gpu", hosts=4096, slices=1024),
}


@pytest.fixture(scope="module")
def schema():
    """JobSet's own, of its custom resource definition, which then takes no unknown field, as kubectl does."""
    if not os.environ.get("XDANCER_SAMPLE_DATA"):
        pytest.skip("set XDANCER_SAMPLE_DATA to the sample data, which holds JobSet's schema")
    path = Path(os.environ["XDANCER_SAMPLE_DATA"]) / "schemas" / "jobset_crd.yaml"
    definition = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    version, = (each for each in definition["spec"]["versions"] if each["name"] == "v1alpha2")
    made = tightened(version["schema"]["openAPIV3Schema"])
    made["properties"]["apiVersion"]["const"] = "jobset.x-k8s.io/v1alpha2"
    made["properties"]["kind"]["const"] = "JobSet"
    made["required"] = ["apiVersion", "kind", "metadata", "spec"]
    text = {"type": "string"}
    texts = {"type": "object", "additionalProperties": text}
    made["properties"]["metadata"] = {  # Kubernetes' own, which the definition does not repeat
        "type": "object", "additionalProperties": False, "required": ["name", "namespace"],
        "properties": {"name": text, "namespace": text, "labels": texts, "annotations": texts},
    }
    return jsonschema.Draft7Validator(made)


def tightened(node):
    """A copy of OpenAPI's schema as JSON schema, where listed properties are all that there are."""
    if isinstance(node, list):
        return [tightened(item) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: tightened(value) for key, value in node.items()}
    listed = isinstance(node.get("properties"), dict) and node.get("type") == "object"
    if listed and not node.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    if node.get("x-kubernetes-int-or-string"):
        made["type"] = ["integer", "string"]
    return made


def manifests(trial):
    return [gke.manifest(trial(each), of, OUT) for of in CLUSTERS.values() for each in IDS]


def pod(manifest):
    return manifest["spec"]["replicatedJobs"][0]["template"]["spec"]["template"]["spec"]


def container(manifest):
    return pod(manifest)["containers"][0]


def test_every_manifest_holds_against_the_schema(schema, trial):
    for made in manifests(trial):
        schema.validate(yaml.safe_load(gke.text([made])))


def _set(path, value):
    def change(manifest):
        *before, last = path
        node = manifest["spec"]["replicatedJobs"][0]["template"]["spec"]
        for key in before:
            node = node[key]
        node[last] = value

    return change


@pytest.mark.parametrize("spoil", [
    _set(["paralelism"], 4), _set(["parallelism"], "4"), _set(["completions"], 1.5), _set(["backoffLimit"], None),
    _set(["template", "spec", "restartPolice"], "Never"), _set(["template", "spec", "containers", 0, "command"], "sh"),
    _set(["template", "spec", "containers", 0, "image"], 7), _set(["template", "spec", "containers", 0, "gpus"], 8),
    _set(["template", "spec", "containers", 0, "resources", "limits", "google.com/tpu"], [4]),
    _set(["template", "spec", "nodeSelector", "cloud.google.com/gke-spot"], True),
    _set(["podFailurePolicy", "rules", 0, "onExitCodes", "operator"], None),
    lambda manifest: manifest["spec"].pop("replicatedJobs") and manifest["spec"].update(jobs=[]),
    lambda manifest: manifest["spec"]["failurePolicy"]["rules"][0].update(action="Restart"),
    lambda manifest: manifest["spec"]["failurePolicy"]["rules"][0].pop("name"),
    lambda manifest: manifest["spec"]["failurePolicy"].update(maxrestarts=1),
    lambda manifest: manifest["metadata"]["annotations"].update(seed=1),
    lambda manifest: manifest.update(apiVersion="jobset.x-k8s.io/v1"), lambda manifest: manifest.pop("kind"),
    lambda manifest: manifest.update(status={"restart": 1}),
])
def test_the_schema_finds_what_is_wrong(schema, trial, spoil):
    good = gke.manifest(trial(), CLUSTERS["tpu_all"], OUT)
    bad = copy.deepcopy(good)
    spoil(bad)
    assert bad != good and schema.is_valid(good) and not schema.is_valid(bad)


def test_names_are_what_jobset_and_dns_take(trial):
    """The rules of JobSet's webhook: the longest pod is a DNS label, and as a service the name starts with a letter."""
    for made in manifests(trial):
        name, job = made["metadata"]["name"], made["spec"]["replicatedJobs"][0]
        longest = f"{name}-{job['name']}-{job['replicas'] - 1}-{job['template']['spec']['completions'] - 1}-abcde"
        assert len(longest) <= 63 and re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", longest), longest
        assert all(re.fullmatch(r"[a-z0-9][-a-z0-9.]*/[-A-Za-z0-9_.]+", key) for key in made["metadata"]["annotations"])


def test_names_are_readable_and_no_two_alike(trial):
    of = CLUSTERS["tpu"]
    assert gke.name(trial("motion_medium-seed=1-3fa9c1d2"), of, OUT).startswith("motion-medium-seed-1-3fa9c1d2-")
    long = "video_paper_motion-" + "learning_rate=0.0003," * 8
    names = {gke.name(trial(f"{long}seed={seed}"), of, out) for seed in range(500) for out in (OUT, f"{OUT}2")}
    assert len(names) == 1000
    assert gke.name(trial("a=b"), of, OUT) != gke.name(trial("a_b"), of, OUT)
    assert gke.name(trial("a"), of, OUT) == gke.name(trial("a"), of, OUT + "/")


def test_the_annotation_keeps_the_id(trial):
    assert [made["metadata"]["annotations"]["xdancer-jax/trial"] for made in manifests(trial)] == IDS * len(CLUSTERS)


def test_hosts_slices_and_chips_are_those_of_the_cluster(trial):
    shapes = {"tpu": (1, 4, 4), "tpu_one_host": (1, 1, 4), "tpu_slices": (3, 32, 4), "tpu_all": (100, 64, 4),
              "gpu": (1, 1, 8), "gpu_hosts": (2, 4, 8), "gpu_small": (1, 1, 1), "gpu_largest": (1024, 4096, 8)}
    for key, (slices, hosts, devices) in shapes.items():
        made = gke.manifest(trial(), CLUSTERS[key], OUT)
        job = made["spec"]["replicatedJobs"][0]
        spec = job["template"]["spec"]
        assert (job["replicas"], spec["parallelism"], spec["completions"]) == (slices, hosts, hosts), key
        resource = "google.com/tpu" if key.startswith("tpu") else "nvidia.com/gpu"
        assert container(made)["resources"] == {"limits": {resource: devices}}
        assert {"key": resource, "operator": "Exists", "effect": "NoSchedule"} in pod(made)["tolerations"]


def test_pods_go_to_nodes_of_their_machine(trial):
    assert pod(gke.manifest(trial(), CLUSTERS["tpu_slices"], OUT))["nodeSelector"] == {
        "node.kubernetes.io/instance-type": "ct5p-hightpu-4t", "cloud.google.com/gke-tpu-accelerator": "tpu-v5p-slice",
        "cloud.google.com/gke-tpu-topology": "4x4x8", "cloud.google.com/gke-spot": "true",
    }
    made = gke.manifest(trial(), CLUSTERS["gpu"], OUT)
    assert pod(made)["nodeSelector"] == {
        "node.kubernetes.io/instance-type": "a3-highgpu-8g", "cloud.google.com/gke-accelerator": "nvidia-h100-80gb",
    }
    assert not any("gke-spot" in toleration["key"] for toleration in pod(made)["tolerations"])
    spot = pod(gke.manifest(trial(), CLUSTERS["gpu_hosts"], OUT))["tolerations"]
    assert {"key": "cloud.google.com/gke-spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"} in spot


def test_a_slice_of_several_hosts_is_one_node_pool(trial):
    key = "alpha.jobset.sigs.k8s.io/exclusive-topology"
    noted = {name: gke.manifest(trial(), of, OUT)["metadata"]["annotations"] for name, of in CLUSTERS.items()}
    assert {name for name in noted if key in noted[name]} == {"tpu", "tpu_slices", "tpu_all"}


def test_queue_account_secrets_and_variables(trial):
    made = gke.manifest(trial(), CLUSTERS["tpu_all"], OUT)
    assert made["metadata"]["labels"] == {"kueue.x-k8s.io/queue-name": "q"}
    assert made["metadata"]["namespace"] == "team-a" and pod(made)["serviceAccountName"] == "trainer"
    assert container(made)["envFrom"] == [{"secretRef": {"name": "wandb"}}, {"secretRef": {"name": "hub.read"}}]
    env = {each["name"]: expanded(each["value"], {"A": "1"}) for each in container(made)["env"]}
    assert env == {"A": "1", "B": "x=$(A) $$"}
    bare = gke.manifest(trial(), CLUSTERS["tpu"], OUT)
    assert bare["metadata"]["labels"] == {} and "serviceAccountName" not in pod(bare)


def test_what_was_saved_starts_anew_without_limit_and_failures_with_one(trial):
    made = gke.manifest(trial(), cluster(restarts=7, grace_seconds=90), OUT)
    assert made["spec"]["failurePolicy"]["maxRestarts"] == 7
    rule, = made["spec"]["failurePolicy"]["rules"]
    assert (rule["action"], rule["onJobFailureReasons"]) == ("RestartJobSetAndIgnoreMaxRestarts", ["PodFailurePolicy"])
    spec = made["spec"]["replicatedJobs"][0]["template"]["spec"]
    assert (spec["backoffLimit"], spec["completionMode"]) == (0, "Indexed")
    exits, disrupted = spec["podFailurePolicy"]["rules"]
    assert exits["onExitCodes"] == {"operator": "In", "values": [signals.RESUMABLE, 143]}
    assert disrupted["onPodConditions"] == [{"type": "DisruptionTarget", "status": "True"}]
    assert {rule["action"] for rule in (exits, disrupted)} == {"FailJob"}
    assert (pod(made)["restartPolicy"], pod(made)["terminationGracePeriodSeconds"]) == ("Never", 90)


def arrived(manifest, tmp_path, slice_number=0, host=0):
    """Arguments of Python in each command of a container, as its shell gives them."""
    python = tmp_path / "python"
    python.write_text("""#!/bin/sh\nprintf '%s\\0' "$@"; printf '\\1'\n""")
    python.chmod(0o755)
    env = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "HOME": "/root", "JOB_COMPLETION_INDEX": str(host)}
    for each in container(manifest)["env"]:
        if "valueFrom" in each:
            assert each["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.labels['jobset.sigs.k8s.io/job-index']"}}
        env[each["name"]] = str(slice_number) if "valueFrom" in each else each["value"]
    command = [expanded(part, env) for part in container(manifest)["command"]]
    done = subprocess.run(command, env=env, capture_output=True, check=True, timeout=60)
    assert not done.stderr
    return [part.split("\0")[:-1] for part in done.stdout.decode().split("\1")[:-1]]


@pytest.mark.process
@pytest.mark.parametrize("key", ["tpu_slices", "gpu_hosts"])
@pytest.mark.parametrize("number", range(len(IDS)))
def test_commands_arrive_as_the_trial_gives_them(key, number, trial, tmp_path):
    one = trial(IDS[number], more=("--config.x='$(HOME) $HOME $$ \"'", ""))
    lines = arrived(yaml.safe_load(gke.text([gke.manifest(one, CLUSTERS[key], OUT)])), tmp_path)
    commands = [command[1:] for command in one.commands(OUT)]
    assert [line[: len(command)] for line, command in zip(lines, commands, strict=True)] == commands
    flags = [line[len(command) :] for line, command in zip(lines, commands, strict=True)]
    assert [[flag.split("=")[0] for flag in each] for each in flags] == [
        ["--coordinator", "--num_processes", "--process_id"] if key == "gpu_hosts" else []
    ] * 2


@pytest.fixture
def found(monkeypatch):
    """found(environment, flags): what launch.train finds of its group there."""
    def play(environment=(), **flags):
        for name, value in dict(environment).items():
            monkeypatch.setenv(name, value)
        for name, flag in (("coordinator", "_COORDINATOR"), ("num_processes", "_COUNT"), ("process_id", "_PROCESS")):
            monkeypatch.setattr(distributed, flag, type("Flag", (), {"value": flags.get(name)}))
        return distributed.found()

    for name in list(os.environ):
        if re.match("SLURM|OMPI|PMI|JAX_COORD|TPU_|MEGASCALE|KUBERNETES", name):
            monkeypatch.delenv(name)
    return play


@pytest.mark.process
def test_processes_on_gpus_are_numbered_through_and_meet_at_the_first(found, trial, tmp_path):
    made = gke.manifest(trial(), CLUSTERS["gpu_hosts"], OUT)
    name, seen = made["metadata"]["name"], []
    for slice_number in range(2):
        for host in range(4):
            train, evaluate = arrived(made, tmp_path, slice_number, host)
            assert train[-3:] == evaluate[-3:]
            flags = dict(flag.removeprefix("--").split("=") for flag in train[-3:])
            count, number = int(flags["num_processes"]), int(flags["process_id"])
            seen.append(found(coordinator=flags["coordinator"], num_processes=count, process_id=number))
    # JobSet's name of the first pod, in the JobSet's service
    assert seen == [(f"{name}-slice-0-0.{name}:8482", 8, number) for number in range(8)]


def test_one_gpu_host_is_a_program_of_one_process(trial, tmp_path):
    train, _ = arrived(gke.manifest(trial(), CLUSTERS["gpu"], OUT), tmp_path)
    assert train[-2:] == ["--num_processes=1", "--process_id=0"]


@pytest.mark.parametrize("key", ["tpu", "tpu_slices"])
def test_processes_on_tpus_are_found_by_what_gke_tells_containers(key, found, trial, monkeypatch):
    """JAX's detection, given the variables that GKE puts into a JobSet's pods; the metadata server has none of them."""
    monkeypatch.setattr(cloud_tpu_cluster, "running_in_cloud_tpu_vm", True)
    monkeypatch.setattr(cloud_tpu_cluster, "get_metadata", lambda name: ("<title>Error: not found</title>", 404))
    monkeypatch.setattr(cloud_tpu_cluster.socket, "gethostbyname", lambda host: "10.0.0.1")
    made = gke.manifest(trial(), CLUSTERS[key], OUT)
    name, job = made["metadata"]["name"], made["spec"]["replicatedJobs"][0]
    slices, hosts = job["replicas"], job["template"]["spec"]["parallelism"]
    seen = []
    for part, host in itertools.product(range(slices), range(hosts)):
        pods = [f"{name}-slice-{part}-{each}.{name}" for each in range(hosts)]
        told = {"TPU_SKIP_MDS_QUERY": "true", "TPU_WORKER_ID": str(host), "TPU_WORKER_HOSTNAMES": ",".join(pods)}
        if slices > 1:
            told |= {"MEGASCALE_SLICE_ID": str(part), "MEGASCALE_NUM_SLICES": str(slices),
                     "MEGASCALE_COORDINATOR_ADDRESS": f"{name}-slice-0-0.{name}"}
        seen.append(found(told))
    count = slices * hosts
    assert seen == [(f"{name}-slice-0-0.{name}:8482", count, number) for number in range(count)]
    assert 8482 in {port["containerPort"] for port in container(made)["ports"]}


@pytest.mark.parametrize(("variant", "fields", "out", "said"), [
    ("gke_tpu", {"image": ""}, OUT, "cluster.image is empty: give --cluster.image="),
    ("gke_tpu", {"topology": ""}, OUT, "cluster.topology is empty"),
    ("gke_tpu", {"topology": "3x5"}, OUT, "cluster.topology=3x5: ct5lp-hightpu-4t .* the nearest is 4x4, 4 hosts"),
    ("gke_tpu", {"machine": "a3-highgpu-8g"}, OUT, "cluster.machine=a3-highgpu-8g: it has GPUs, no TPUs"),
    ("gke_gpu", {"machine": "tpu7x-standard-4t"}, OUT, "cluster.machine=tpu7x-standard-4t: it has TPUs, no GPUs"),
    ("gke_tpu", {"slices": 0}, OUT, "cluster.slices=0: must be in .1, 1024."),
    ("gke_tpu", {"slices": 2, "topology": "2x2"}, OUT, "cluster.slices=2: GKE joins slices of several hosts only"),
    ("gke_gpu", {"hosts": 0}, OUT, "cluster.hosts=0: must be"),
    ("gke_tpu", {"namespace": "Team_A"}, OUT, "cluster.namespace=Team_A: no name in Kubernetes"),
    ("gke_tpu", {"queue": "a b"}, OUT, "cluster.queue=a b: no name in Kubernetes"),
    ("gke_tpu", {"service_account": "me@project"}, OUT, "cluster.service_account=me@project: no name in Kubernetes"),
    ("gke_tpu", {"env": ("A",)}, OUT, "cluster.env: entry 1 is not NAME=VALUE"),
    ("gke_tpu", {}, "out/sweep", "--out=out/sweep: the cluster's machines share no folder with this one; give gs://"),
    ("gke_tpu", {}, "gs://", "--out=gs://: the cluster's machines"),
    ("gke_tpu", {}, "s3://bucket/x", "--out=s3://bucket/x: the cluster's machines"),
])
def test_what_no_jobset_can_be_made_of_is_one_line(variant, fields, out, said, trial, tmp_path):
    made = configs.get_config(variant)
    made.update({"image": "image"} | fields)
    with pytest.raises(ValueError, match=f"^{said}"):
        gke.check(made, out)
    with pytest.raises(ValueError, match=f"^{said}"):
        gke.render([trial()], made, out, tmp_path / "out")
    assert not list(tmp_path.glob("out/*"))


def test_values_of_secrets_are_refused_and_not_printed(trial):
    for fields in ({"secrets": ("WANDB_API_KEY=hunter2",)}, {"secrets": ("hunter2!",)}, {"env": ("HF_TOKEN=hunter2",)}):
        with pytest.raises(ValueError, match="secret") as error:
            gke.manifest(trial(), cluster(**fields), OUT)
        assert "hunter2" not in str(error.value)


def test_files_are_named_by_jobset_and_hold_what_is_applied(trial, tmp_path):
    of, trials = CLUSTERS["gpu_hosts"], [trial(each) for each in IDS]
    paths = gke.render(trials, of, OUT, tmp_path / "new" / "manifests")
    assert [path.name for path in paths] == [f"{gke.name(each, of, OUT)}.yaml" for each in trials]
    assert sorted(paths) == sorted((tmp_path / "new" / "manifests").iterdir())  # no part of a file is left
    for path, each in zip(paths, trials, strict=True):
        assert yaml.safe_load(path.read_text()) == gke.manifest(each, of, OUT)
    script = paths[0].read_text()
    assert "&id" not in script and "command:\n              - sh\n              - -c\n              - |\n" in script


def test_a_thousand_are_rendered_in_seconds(trial, tmp_path):
    trials = [trial(f"motion_medium-seed={seed}") for seed in range(1000)]
    began = time.process_time()
    paths = gke.render(trials, CLUSTERS["tpu_all"], OUT, tmp_path)
    assert time.process_time() - began < 10  # 2.5 on one core
    assert len(set(paths)) == 1000


@pytest.fixture
def kubectl(tmp_path, monkeypatch):
    """A kubectl that keeps its arguments and input, and fails with status 3 while the file `fails` is there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    fake = folder / "kubectl"
    fake.write_text(f"""#!/bin/sh
echo "$@" > {tmp_path}/arguments
cat > {tmp_path}/input
[ ! -e {tmp_path}/fails ] || {{ echo 'error: no such namespace' >&2; echo more >&2; exit 3; }}
echo created
""")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return tmp_path


@pytest.mark.process
def test_apply_gives_all_to_kubectl(kubectl, trial):
    of, trials = CLUSTERS["tpu_slices"], [trial(each) for each in IDS]
    assert gke.apply(trials, of, OUT) == [gke.name(each, of, OUT) for each in trials]
    assert (kubectl / "arguments").read_text() == "apply -f -\n"
    assert list(yaml.safe_load_all((kubectl / "input").read_text())) == [gke.manifest(each, of, OUT) for each in trials]


@pytest.mark.process
def test_what_kubectl_complains_of_is_one_line(kubectl, trial):
    (kubectl / "fails").touch()
    with pytest.raises(OSError, match=r"^kubectl apply ended with status 3: error: no such namespace .and 1 more"):
        gke.apply([trial()], CLUSTERS["tpu"], OUT)


def test_without_kubectl_one_line_says_what_to_do(trial, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OSError, match="^kubectl is not installed here; install it, or apply the rendered"):
        gke.apply([trial()], CLUSTERS["tpu"], OUT)


def test_every_machine_makes_a_manifest(schema, trial):
    for name, machine in machines.MACHINES.items():
        shape = {"topology": machine.topologies[0]} if machine.is_tpu else {}
        of = cluster("gke_tpu" if machine.is_tpu else "gke_gpu", machine=name, **shape)
        schema.validate(gke.manifest(trial(), of, OUT))
