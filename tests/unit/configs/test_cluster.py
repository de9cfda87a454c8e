import re

import pytest

from configs import cluster
from launch.shell import fields
from launch.sweeps import gke, tpu_vm


@pytest.mark.parametrize("variant", cluster.VARIANTS)
def test_every_field_has_a_range_that_holds_it_and_is_explained(variant):
    config = cluster.get_config(variant)
    explained = fields.comments(cluster.__file__)
    for path, value in fields.leaves(config):
        assert cluster.RANGES[".".join(path)].holds(value), path
        assert explained[path], path


def test_every_range_is_of_a_field():
    known = {".".join(path) for variant in cluster.VARIANTS for path, _ in fields.leaves(cluster.get_config(variant))}
    assert set(cluster.RANGES) == known


def test_fields_are_typed_and_lock():
    config = cluster.get_config("gke_tpu").lock()
    config.slices = 2
    with pytest.raises(TypeError):
        config.slices = "2"
    with pytest.raises(AttributeError):
        config.hosts = 2  # of GPUs; a topology says it


def test_an_unknown_variant_is_named():
    with pytest.raises(ValueError, match="unknown variant 'gke'; choose one of .*'gke_tpu'"):
        cluster.get_config("gke")


def test_each_backend_takes_its_own_variants_alone():
    checks = {"gke": gke.check, "tpu_vm": tpu_vm.check}
    for backend, check in checks.items():
        for variant in cluster.VARIANTS:
            config = cluster.get_config(variant)
            if config.backend == backend:
                with pytest.raises(ValueError, match=r"cluster\.(image|name) is empty: give --cluster\."):
                    check(config, "gs://bucket/sweep")
            else:
                with pytest.raises(ValueError, match=f"={backend}: this cluster is for --backend={config.backend}"):
                    check(config, "gs://bucket/sweep")


def test_the_command_of_the_docstring_names_a_variant():
    named = re.search(r"configs/cluster\.py:(\w+)", cluster.__doc__)[1]
    assert named in cluster.VARIANTS
