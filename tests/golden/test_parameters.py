"""Names, shapes and number of the full-size models' parameters: a renamed one would orphan every checkpoint.

After a change that is meant, run with WRITE_GOLDEN=1 and read the diff of the lists.
"""

import importlib
import math
import os
from pathlib import Path

import jax
import pytest

from launch import stages
from launch.runs import build, resolve, sources
from xdancer_jax import boxes
from xdancer_jax.train import trees
from xdancer_jax.train.state import init_parts

VARIANTS = ["tokenizer:paper", "motion:medium", "autoencoder:paper", "video:paper_appearance", "video:paper_motion"]


def boxed(stage, variant):
    """Shapes of all parameters with their logical axes, over untrained earlier stages as the config's variants describe
    them."""
    config = importlib.import_module(f"configs.{stage}").get_config(variant)
    for part in config.parts.values():
        part.source = "random"
    config = resolve.resolve(config)
    made, parts, batch = stages.find(stage).make(config), sources.parts(config), build.batch_shapes(config, 1)
    return jax.eval_shape(lambda key: init_parts(made, parts, batch, {}, key), jax.random.key(0))["params"]


@pytest.mark.full_size
@pytest.mark.parametrize("name", VARIANTS)
def test_parameters_keep_their_names_and_shapes(name):
    stage, variant = name.split(":")
    shapes = {path: leaf.shape for path, leaf in trees.by_path(boxes.unbox(boxed(stage, variant))).items()}
    lines = [f"{path} {' '.join(map(str, shape))}".rstrip() for path, shape in sorted(shapes.items())]
    lines.append(f"{sum(map(math.prod, shapes.values()))} parameters in {len(shapes)} arrays")
    path = Path(__file__).with_name(f"{stage}_{variant}.txt")
    if os.environ.get("WRITE_GOLDEN"):
        path.write_text("\n".join(lines) + "\n")
    assert path.read_text().splitlines() == lines, f"{path.name} differs; see this file's docstring"


def test_the_motion_phase_reads_all_of_an_appearance_run():
    before, after = (
        set(Path(__file__).with_name(f"video_paper_{phase}.txt").read_text().splitlines()[:-1])
        for phase in ("appearance", "motion")
    )
    assert before < after and {line.split("/")[0] for line in after - before} == {"motion_modules", "pose", "tokenizer"}
