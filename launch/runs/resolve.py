"""Configs with everything that they name: earlier stages, weights to start from, the skeleton; and runs read back.

A stage that stands on earlier ones names their work directories in its config (tokenizer_from, autoencoder_from,
init_from). `resolve` reads them once: their configs are stored under config["earlier"], their weights go into the
stage's `extra`, so that a finished work directory needs no other.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict

from data_pipeline import loaders
from launch.runs import build, skeleton
from xdancer_jax import sharding
from xdancer_jax.pretrained import gpt2
from xdancer_jax.train import checkpoint, trees

# stage -> {config field: stage whose work directory it names}
EARLIER = {
    "tokenizer": {},
    "motion": {"tokenizer_from": "tokenizer", "init_from": "motion"},
    "autoencoder": {},
    "video": {"autoencoder_from": "autoencoder", "tokenizer_from": "tokenizer", "init_from": "video"},
}
DTYPES = ("float32", "bfloat16")


def resolve(config: ConfigDict) -> tuple[ConfigDict, dict[str, Mapping[str, Any]]]:
    """`config` with its skeleton under "skeleton" and the configs of the earlier stages under "earlier", and
    {field: {"params", "extra"}} of them.

    Raises:
      ValueError: a directory that `read` refuses; a stage that needs one and names none.
    """
    if config.name not in EARLIER:
        raise ValueError(f"config.name: unknown stage {config.name!r}; choose one of {sorted(EARLIER)}")
    _check_fields(config)
    config, weights = config.copy_and_resolve_references(), {}
    with config.unlocked():
        config.skeleton, config.earlier = ConfigDict(skeleton.OURS), ConfigDict()
        for field, stage_name in EARLIER[config.name].items():
            if not config[field]:
                continue
            earlier, loaded = read(config[field], stage_name)
            weights[field] = {"params": dict(loaded.params), "extra": loaded.extra}
            if field != "init_from":
                config.earlier[stage_name] = earlier
                continue
            _check_init(loaded.extra["frozen"], weights)
            if config.name == "motion":
                _go_on(config, earlier)
                weights.setdefault("tokenizer_from", loaded.extra["frozen"]["tokenizer"])
                weights["initial"] = trees.by_path(loaded.params)
            elif earlier.pose_control != config.pose_control:
                del weights[field]["params"]["pose"]  # the other control's; this one starts anew
    _check_earlier(config)
    if config.name == "motion" and config.gpt2:
        model = build.music_gpt(config)
        if config.init_from:
            raise ValueError("config.gpt2 and config.init_from are both given: a run starts from one of them")
        weights["initial"] = gpt2.read(config.gpt2, model.num_layers, model.width, model.num_positions)
    return config, weights


def _check_fields(config: ConfigDict) -> None:
    for name in ("steps", "batch_size", "log_every"):
        if config[name] < 1:
            raise ValueError(f"config.{name}={config[name]}: must be at least 1")
    for name in ("dtype", "param_dtype"):
        if config[name] not in DTYPES:
            raise ValueError(f"config.{name}={config[name]!r}: choose one of {DTYPES}")
    if config.name == "motion":
        _check_motion_windows(config)


def _check_motion_windows(config: ConfigDict) -> None:
    data = config.data
    if data.previous < config.model.context_frames:
        raise ValueError(
            f"config.data.previous={data.previous}: holds no {config.model.context_frames} context frames "
            "(config.model.context_frames)"
        )
    for name in ("static_context_rate", "replay_static_context_rate"):
        if not 0 <= data[name] <= 1:
            raise ValueError(f"config.data.{name}={data[name]}: is a share of the examples, between 0 and 1")


def _go_on(config: ConfigDict, before: ConfigDict) -> None:
    """A motion run that starts from another's weights is of its model, and takes its tokenizer. Raises ValueError."""
    free = ("dropout", "remat")  # shape no weight
    changed = [name for name, value in before.model.items() if name not in free and config.model.get(name) != value]
    if changed:
        raise ValueError(
            f"config.init_from={config.init_from} holds another model: "
            + ", ".join(f"model.{name} {before.model[name]} there, {config.model.get(name)} here" for name in changed)
        )
    if "tokenizer" not in config.earlier:
        config.earlier.tokenizer = before.earlier.tokenizer


def _check_init(frozen: Mapping[str, Any], weights: Mapping[str, Any]) -> None:
    """The run that init_from names must stand on the same earlier stages as this one."""
    for name, value in frozen.items():
        field = f"{name}_from"
        if field in weights and not same_weights(value, weights[field]):
            raise ValueError(
                f"config.init_from was trained over another {name} than config.{field} names; give the {name} that it "
                "was trained over"
            )


def same_weights(a: Any, b: Any) -> bool:
    """Whether two trees of arrays are equal, leaf by leaf and bit by bit."""
    leaves_a, tree_a = jax.tree.flatten(a)
    leaves_b, tree_b = jax.tree.flatten(b)
    return tree_a == tree_b and all(np.array_equal(x, y) for x, y in zip(leaves_a, leaves_b, strict=True))


def _check_earlier(config: ConfigDict) -> None:
    needed = {"motion": ["tokenizer"], "video": ["autoencoder"]}.get(config.name, [])
    if config.name == "video" and config.pose_control == "motion_decoder":
        needed = [*needed, "tokenizer"]
    for stage_name in needed:
        if stage_name not in config.earlier:
            raise ValueError(
                f"config.{stage_name}_from is empty: stage {config.name!r} stands on a trained {stage_name}; give its "
                f"work directory, --config.{stage_name}_from=DIR"
            )


def as_config(content: Mapping[str, Any]) -> ConfigDict:
    """A config read back from JSON: its lists become the tuples that they were."""

    def tuples(value):
        if isinstance(value, Mapping):
            return {name: tuples(item) for name, item in value.items()}
        return tuple(tuples(item) for item in value) if isinstance(value, (list, tuple)) else value

    return ConfigDict(tuples(content))


def read(workdir: str | Path, stage_name: str) -> tuple[ConfigDict, checkpoint.Loaded]:
    """The config and the weights of a run, which fit together and are of this skeleton.

    Raises:
      ValueError: see checkpoint.load; another skeleton; a config of other fields; weights that are not those of the
        config, every missing, extra and mis-shaped one listed.
    """
    loaded = checkpoint.load(workdir, stage_name)
    config = as_config(loaded.config)
    skeleton.check(workdir, config)
    try:
        wanted = abstract(config)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(
            f"{Path(workdir) / 'config.json'}: not a config of this version ({str(error).splitlines()[0]}); restore it "
            "or train anew"
        ) from error
    found = {"params": loaded.params, "extra": loaded.extra}
    checkpoint.check_leaves(
        Path(workdir) / "checkpoints" / str(loaded.step), trees.by_path(found), trees.by_path(wanted)
    )
    return config, loaded


def abstract(config: ConfigDict) -> dict[str, Any]:
    """{"params", "extra"} of a run with a resolved config, as shapes; nothing is computed."""

    def init(config: ConfigDict) -> dict[str, Any]:
        weights = {f"{name}_from": init(earlier) for name, earlier in config.earlier.items()}
        loader, window = build.window(config, train=False)
        spec = loaders.element_spec(loader, 1, **window)
        batch = {name: jnp.zeros(shape, dtype) for name, (shape, dtype) in spec.items()}
        params, extra = build.stage(config, weights).init(jax.random.key(0), batch)
        return {"params": sharding.unbox(params), "extra": extra}

    return jax.eval_shape(lambda: init(config))
