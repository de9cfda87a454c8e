import pytest

from configs import cluster as configs
from launch.sweeps import clusters


def test_a_cluster_of_another_backend_is_refused_with_the_variants_that_fit():
    with pytest.raises(ValueError, match="--backend=gke: this cluster is for --backend=slurm; give --cluster=configs/"
                       "cluster.py:gke_tpu or :gke_gpu$"):
        clusters.check(configs.get_config("slurm"), "gke")


@pytest.mark.parametrize("variant", configs.VARIANTS)
def test_defaults_are_in_their_ranges(variant):
    clusters.check(configs.get_config(variant), configs.BACKENDS[variant])


@pytest.mark.parametrize(("variant", "field", "value"), [
    ("slurm", "nodes", 0), ("slurm", "signal_seconds", 70_000), ("slurm", "array_parallelism", 0),
    ("gke_gpu", "grace_seconds", 1), ("gke_tpu", "restarts", -1), ("tpu_vm", "setup", (1,)),
])
def test_values_out_of_range_are_named(variant, field, value):
    config = configs.get_config(variant)
    config[field] = value
    with pytest.raises(ValueError, match=f"^cluster.{field}=.*: must be"):
        clusters.check(config, configs.BACKENDS[variant])


def test_the_first_empty_field_is_named():
    config = configs.get_config("tpu_vm")
    config.name = "pod"
    clusters.check_given(config, "name", "folder")
    with pytest.raises(ValueError, match="^cluster.zone is empty: give --cluster.zone=...; configs/cluster.py says"):
        clusters.check_given(config, "name", "zone", "folder")


def test_only_a_bucket_is_shared():
    for out in ("gs://bucket", "gs://bucket/", "gs://bucket/a/b"):
        clusters.check_out(out)
    for out in ("out", "/mnt/out", "gs://", "gs:/bucket/a", "s3://bucket/a", "gs://bucket/a b", ""):
        with pytest.raises(ValueError, match=f"^--out={out}: the cluster's machines share no folder"):
            clusters.check_out(out)
