"""Configs with everything that they name: the parts that other stages trained, the skeleton."""

from ml_collections import ConfigDict

from configs import ranges
from launch import stages
from launch.runs import skeleton, sources
from launch.shell import fields


def resolve(config: ConfigDict, earlier: ConfigDict | None = None) -> ConfigDict:
    """`config` with its skeleton under "skeleton", and under "earlier" by part the configs of the stages that trained
    what this one stands on: `earlier`, as a run that goes on has them, or else as the parts' sources say.

    Raises:
      ValueError: a field that `check` refuses, or a source that does not tell (see sources.earlier).
    """
    check(config)
    config = config.copy_and_resolve_references()
    with config.unlocked():
        config.skeleton, config.earlier = ConfigDict(skeleton.OURS), ConfigDict()
        for part, stage_name in stages.find(config.name).earlier(config).items():
            if earlier is not None and part not in earlier:
                raise ValueError(f"this config's model has a part {part!r} of another stage, the run's has none")
            config.earlier[part] = sources.earlier(config, part, stage_name) if earlier is None else earlier[part]
    return config


def check(config: ConfigDict) -> None:
    """Raises ValueError, which names the field, for values out of their range (configs/ranges.py), and for those that
    fit together ill: `check` of the stage's file."""
    definition = stages.find(config.name)
    fields.check(config, ranges.of_stage(config.name))
    definition.check(config)
