"""Configs with everything that they name: the parts that other stages trained, the skeleton."""

from ml_collections import ConfigDict

from launch import stages
from launch.runs import skeleton, sources

DTYPES = ("float32", "bfloat16")


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
    """Raises ValueError for fields of any stage that mean nothing."""
    definition = stages.find(config.name)
    for name in ("steps", "batch_size", "log_every"):
        if config[name] < 1:
            raise ValueError(f"config.{name}={config[name]}: must be at least 1")
    if config.checkpoint.keep < 1:
        raise ValueError(f"config.checkpoint.keep={config.checkpoint.keep}: must be at least 1, or nothing is kept")
    for name, value in (("eval_every", config.eval_every), ("checkpoint.every", config.checkpoint.every)):
        if value < 0:
            raise ValueError(f"config.{name}={value}: must be 0 (never between) or more")
    if config.eval_every and config.eval_batches < 1:
        raise ValueError(f"config.eval_batches={config.eval_batches}: must be at least 1; eval_every=0 turns it off")
    for name in ("dtype", "param_dtype"):
        if config[name] not in DTYPES:
            raise ValueError(f"config.{name}={config[name]!r}: choose one of {DTYPES}")
    for name, part in config.parts.items():
        if part.dtype not in (*DTYPES, ""):
            raise ValueError(
                f'config.parts.{name}.dtype={part.dtype!r}: choose one of {DTYPES}, or "" for config.dtype'
            )
        if not part.learning_rate > 0:
            raise ValueError(
                f"config.parts.{name}.learning_rate={part.learning_rate}: must be above 0; trainable=() freezes a part"
            )
    definition.check(config)
