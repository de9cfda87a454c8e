"""Trained runs, read back from their work directories alone for offline use."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from etils.epath import Path
from jax.sharding import Mesh
from ml_collections import ConfigDict

from configs.sharding import TABLES
from data_pipeline.feature_sets import FeatureSet
from launch import stages
from launch.runs import build, features, sources
from xdancer_jax import boxes, sharding
from xdancer_jax.sharding import Place
from xdancer_jax.stage import Stage, variables
from xdancer_jax.train import checkpoint, state, trees
from xdancer_jax.typing import PyTree


@dataclasses.dataclass(frozen=True)
class Run:
    """A trained run: its config (resolved), modules by part, the functions over them, and its weights on devices.

    digests: of each part; two parts of equal digest have equal weights. place: where the weights lie. features: the
    music features that it was trained on; None for a stage that hears no music.
    """

    workdir: Path
    config: ConfigDict
    modules: Mapping[str, nn.Module]
    stage: Stage
    params: Mapping[str, Any]
    extra: Mapping[str, Any]
    step: int
    digests: Mapping[str, str]
    place: Place = dataclasses.field(default_factory=sharding.one_device)
    features: FeatureSet | None = None

    def variables(self, part: str) -> dict[str, PyTree]:
        """What the module of `part` applies."""
        return variables(self.params, self.extra, part)


def load(
    workdir: str | Path, stage: str | None = None, *, step: int | None = None, dtype: str | None = None,
    mesh: Mesh | None = None, table: str = "fsdp",
) -> Run:
    """The run in `workdir` at its newest checkpoint, or that of `step`; every array goes straight to its place, once.

    Of several processes each must call it. stage: that it must be of. dtype: computes, and holds weights, in it and not
    in the config's; a part whose dtype the config states keeps that, as the tokenizer does under later stages: its
    tokens are data. mesh, table: the devices, this process's first if not given, and how weights are laid out there.

    Raises:
      ValueError: no such directory, no finished checkpoint or none of `step`, another stage or skeleton, a config of
        other fields, no music.json where one belongs; weights that are not those of the config, every missing, extra
        and mis-shaped one listed.
    """
    config = sources.read_config(workdir, stage)
    config.dtype = dtype or config.dtype
    mesh = mesh or sharding.make_mesh({"data": 1, "fsdp": 1, "tensor": 1}, jax.local_devices()[:1])
    stored = checkpoint.stored(workdir, step)
    definition = stages.find(config.name)
    modules, made, wanted = sources.described(
        workdir, lambda: (definition.modules(config), definition.make(config), placed(config, mesh, table))
    )
    checkpoint.check_leaves(stored.directory, stored.leaves, wanted, dtypes=False)
    tree = trees.nested(stored.read(wanted))
    return Run(
        Path(workdir), config, modules, made, tree["params"], tree.get("extra", {}), stored.step, stored.digests,
        Place(mesh, TABLES[table]), features.read(workdir) if "music" in config.data else None,
    )


def all_devices() -> Mesh:
    """For `load`: weights and batches split over everything that is there, in all processes."""
    return sharding.make_mesh({"data": 1, "fsdp": -1, "tensor": 1})


def placed(
    config: ConfigDict, mesh: Mesh, table: str, parts: Collection[str] | None = None
) -> dict[str, jax.ShapeDtypeStruct]:
    """All leaves of a resolved config's model by path, as they are held for offline use; nothing is computed.

    parts: those alone, which look at no others.
    """
    definition = stages.find(config.name)
    stage, chosen = definition.make(config), definition.modules(config) if parts is None else parts
    stage = dataclasses.replace(stage, parts={name: init for name, init in stage.parts.items() if name in chosen})
    fates = {name: dataclasses.replace(sources.fate(config, name), copy="") for name in stage.parts}
    boxed = jax.eval_shape(
        lambda key: state.init_parts(stage, fates, build.batch_shapes(config, 1), {}, key), jax.random.key(0)
    )
    layout = trees.by_path(sharding.shardings(boxed, mesh, TABLES[table]))
    found = {}
    for path, leaf in trees.by_path(boxes.unbox(boxed)).items():
        kept = config.parts[path.split("/")[1]].dtype or config.dtype
        held = path.startswith("params/") and jnp.issubdtype(leaf.dtype, jnp.floating)
        found[path] = jax.ShapeDtypeStruct(leaf.shape, kept if held else leaf.dtype, sharding=layout[path])
    return found


def load_pair(directory: str | Path, **options: Any) -> tuple[Run, Run]:
    """The motion and the video run under `directory`/motion and `directory`/video; `options` of the video run's `load`.

    Raises:
      ValueError: either is missing, or they were trained over different tokenizers.
    """
    motion, video = load(Path(directory) / "motion", "motion"), load(Path(directory) / "video", "video", **options)
    if "tokenizer" in video.digests and video.digests["tokenizer"] != motion.digests["tokenizer"]:
        raise ValueError(
            f"{video.workdir} was trained over another tokenizer than {motion.workdir}; its motion decoder cannot "
            "read these tokens: train both over the same run, parts.tokenizer.source"
        )
    return motion, video


__all__ = ["Run", "all_devices", "load", "load_pair", "placed"]
