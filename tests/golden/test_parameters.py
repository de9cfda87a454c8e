"""Names, shapes and number of the full-size models' parameters: a renamed one would orphan every checkpoint.

After a change that is meant, run with WRITE_GOLDEN=1 and read the diff of the lists.
"""

import os
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from configs import autoencoder, motion, tokenizer, video
from data_pipeline import music
from launch.runs import build
from xdancer_jax import sharding
from xdancer_jax.train import trees

CONFIGS = {"tokenizer": tokenizer, "motion": motion, "autoencoder": autoencoder, "video": video}
EARLIER = {"motion": ["tokenizer"], "video": ["autoencoder", "tokenizer"]}
VARIANTS = ["tokenizer:paper", "motion:medium", "autoencoder:paper", "video:paper_motion"]


def _batch(config):
    frames, size = (1, config.data.get("frames", 1)), (config.data.get("height", 0), config.data.get("width", 0))
    if config.name == "autoencoder":
        return {"frames": jnp.zeros((1, *size, 3), jnp.uint8)}
    if config.name == "video":
        return {
            "reference": jnp.zeros((1, *size, 3), jnp.uint8), "frames": jnp.zeros((*frames, *size, 3), jnp.uint8),
            "poses": jnp.zeros((*frames, 60, 3)), "pose_window": jnp.zeros((*frames, 60, 3)),
            "pose_images": jnp.zeros((*frames, *size, 3), jnp.uint8),
        }
    if config.name == "tokenizer":
        return {"poses": jnp.zeros((1, config.data.length, 60, 3))}
    window, model = config.data.previous + config.model.segment_frames, config.model
    return {
        "poses": jnp.zeros((1, window, 60, 3)), "music": jnp.zeros((1, window, music.NUM_FEATURES)),
        "context_index": jnp.zeros((1, model.context_frames), jnp.int32),
        "song": jnp.zeros((1, model.global_tokens, music.NUM_FEATURES)),
    }


def _init(config, key):
    """(params, extra) of the config's stage, over untrained earlier stages."""
    config.earlier, weights = {}, {}
    for name in EARLIER.get(config.name, []):
        key, earlier_key = jax.random.split(key)
        config.earlier[name] = CONFIGS[name].get_config("paper")
        weights[f"{name}_from"] = dict(zip(("params", "extra"), _init(config.earlier[name], earlier_key), strict=True))
    return sharding.unbox(build.stage(config, weights).init(key, _batch(config)))


@pytest.mark.parametrize("name", VARIANTS)
def test_parameters_keep_their_names_and_shapes(name):
    stage, variant = name.split(":")
    config = CONFIGS[stage].get_config(variant)
    params, _ = jax.eval_shape(lambda: _init(config, jax.random.key(0)))
    shapes = {path: leaf.shape for path, leaf in trees.by_path(params).items()}
    lines = [f"{path} {' '.join(map(str, shape))}".rstrip() for path, shape in sorted(shapes.items())]
    lines.append(f"{sum(leaf.size for leaf in jax.tree.leaves(params))} parameters in {len(shapes)} arrays")
    path = Path(__file__).with_name(f"{stage}_{variant}.txt")
    if os.environ.get("WRITE_GOLDEN"):
        path.write_text("\n".join(lines) + "\n")
    assert path.read_text().splitlines() == lines, f"{path.name} differs; see this file's docstring"
