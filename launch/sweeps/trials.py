"""A sweep becomes trials: runs with an id, the fields that they set, and the runs that they stand on.

Nothing here needs JAX, so that looking at a sweep is quick; checking.py holds the configs against what models take.
"""

import dataclasses
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict

from launch.runs import changes
from launch.shell import config_flag
from launch.sweeps.sweep_files import Overrides

_NAMES = ("config", "label")  # keys of an override dict that are no fields
_LONGEST = 80  # characters of an id before its hash


@dataclasses.dataclass(frozen=True)
class Trial:
    """A run of a sweep.

    Attributes:
      id: name of its work directory below the sweep's; readable, and ends in a hash of what decides its result.
      row: what runs that differ in nothing but the seed share, for tables.
      config: its config file and variant.
      stage: of that config.
      fields: what it sets, by dotted name; a run that it stands on is the id of that run in braces, "run:{ID}".
      parents: ids of the runs that it stands on.
      steps, seed, data, split: of its config.
    """

    id: str
    row: str
    config: str
    stage: str
    fields: Mapping[str, Any] = dataclasses.field(hash=False)
    parents: tuple[str, ...]
    steps: int
    seed: int
    data: str
    split: str

    def workdir(self, out: str) -> str:
        return f"{out.rstrip('/')}/{self.id}"

    def train(self, out: str) -> list[str]:
        """Arguments of launch.train in a sweep's folder `out`, the same for the whole life of the run."""
        workdirs = {parent: f"{out.rstrip('/')}/{parent}" for parent in self.parents}
        given = [f"--config.{name}={_text(value, workdirs)}" for name, value in self.fields.items()]
        return ["launch.train", f"--config={self.config}", f"--workdir={self.workdir(out)}", *given]

    def evaluate(self, out: str, options: Sequence[str] = ()) -> list[str]:
        """Arguments of launch.evaluate."""
        of = [f"--run={self.workdir(out)}", f"--data={self.data}", f"--split={self.split}"]
        return ["launch.evaluate", *of, *options]


@dataclasses.dataclass(frozen=True)
class Whole:
    """A trial from its training to its figures, for machines that are given all of it at once."""

    trial: Trial
    options: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        return self.trial.id

    def commands(self, out: str) -> list[list[str]]:
        """In this order, each only after the success of the one before."""
        parts = (self.trial.train(out), self.trial.evaluate(out, self.options))
        return [["python", "-m", *arguments] for arguments in parts]


def plan(config: str, given: Mapping[str, Any], sweep: Sequence[Overrides]) -> list[Trial]:
    """The trials of a sweep over the config file and variant `config`, each behind those that it stands on.

    given: fields that the command line sets, which hold for runs of other configs as far as these have the field.

    Raises:
      ValueError: an unknown field or one of another type; a run twice; no run; one row for runs that differ in more
        than seeds.
    """
    planner = _Planner(config, given)
    seen: dict[str, int] = {}
    for number, overrides in enumerate(sweep, 1):
        try:
            trial = planner.trial(overrides)
        except ValueError as error:
            raise ValueError(f"run {number} of the sweep: {error}") from error
        if trial.id in seen:
            raise ValueError(f"run {number} of the sweep is run {seen[trial.id]} again: {overrides}")
        seen[trial.id] = number
    if not seen:
        raise ValueError("the sweep is empty: it has no run")
    return list(planner.found.values())


class _Planner:
    """`found`: the trials so far by id, each behind its parents."""

    def __init__(self, config: str, given: Mapping[str, Any]):
        self.found: dict[str, Trial] = {}
        self._config, self._given = config, given
        self._bases: dict[str, tuple[ConfigDict, dict[str, Any]]] = {}
        self._rows: dict[tuple[str, str], dict[str, Any]] = {}

    def trial(self, overrides: Any) -> Trial:
        """The trial of an override dict, and before it those that it stands on."""
        if not isinstance(overrides, dict) or not all(isinstance(name, str) for name in overrides):
            raise ValueError(f"not a dict of fields and values, but {overrides!r}")
        config_file = overrides.get("config", self._config)
        config, fields = self._base(config_file)
        own, shown, parents = {}, {}, []
        for name, value in overrides.items():
            if name in _NAMES:
                continue
            shown[name] = value
            if isinstance(value, dict):
                parents.append(self.trial(value))
                value, shown[name] = _place(name, parents[-1].id), f"({parents[-1].row})"
            config_flag.set_field(config, name, value)
            own[name] = value
        row = overrides.get("label") or ", ".join(
            [_stem(config_file), *_short({name: value for name, value in shown.items() if name != "seed"})]
        )
        self._check_row(config.name, row, {"config": config_file} | shown)
        made = _id(config_file, overrides.get("label"), shown, _digest(config, own))
        return self.found.setdefault(made, Trial(
            made, row, config_file, config.name, fields | own, tuple(dict.fromkeys(each.id for each in parents)),
            config.steps, config.seed, config.data.dir, config.data.eval_split,
        ))

    def _base(self, config_file: str) -> tuple[ConfigDict, dict[str, Any]]:
        """(config of a file with what the command line gives, that by field); the caller may change both."""
        if config_file not in self._bases:
            config, fields = config_flag.load(config_file), {}
            known = changes.flat(config)
            for name, value in self._given.items():
                if config_file == self._config or name in known:
                    config_flag.set_field(config, name, value)
                    fields[name] = value
            self._bases[config_file] = config, fields
        config, fields = self._bases[config_file]
        return config.copy_and_resolve_references(), dict(fields)

    def _check_row(self, stage: str, row: str, shown: Mapping[str, Any]) -> None:
        """Runs of one row are averaged, so they must be the same but for seeds."""
        decides = {name: value for name, value in shown.items() if name != "seed"}
        before = self._rows.setdefault((stage, row), decides)
        if before != decides:
            raise ValueError(f"label {row!r} stands for runs that differ in more than the seed: {before} and {decides}")


def _place(name: str, parent: str) -> str:
    """What a field that stands on the run `parent` is set to."""
    if name == "start":
        return f"{{{parent}}}"
    if re.fullmatch(r"parts\.\w+\.source", name):
        return f"run:{{{parent}}}"
    raise ValueError(f'{name} cannot stand on a run; "start" and "parts.NAME.source" can')


def _digest(config: ConfigDict, own: Mapping[str, Any]) -> str:
    """Of everything that decides the result; fields that do not, such as the mesh, count where the sweep sets them."""
    decides = {
        name: value for name, value in changes.flat(config).items() if name in own or not changes.FREE.fullmatch(name)
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True, default=repr).encode()).hexdigest()[:8]


def _id(config_file: str, label: str | None, shown: Mapping[str, Any], digest: str) -> str:
    """STAGE_VARIANT-what it sets-hash, of letters that every file system and shell takes."""
    seed = {"seed": shown["seed"]} if "seed" in shown else {}
    told = ",".join([label, *_short(seed)] if label else _short(shown))
    readable = "-".join(filter(None, [_stem(config_file), told])).replace("(", "").replace(")", "")
    readable = re.sub(r"[^\w.=,+-]+", "_", readable, flags=re.ASCII)
    return f"{readable[:_LONGEST].strip('-_,')}-{digest}"


def _short(shown: Mapping[str, Any]) -> Iterator[str]:
    """The fields that a run sets, each by the last word of its name that says something."""
    for name, value in shown.items():
        words = name.split(".")
        shown_value = f"{value:.6g}" if isinstance(value, float) else value
        yield f"{words[-2] if words[-1] == 'source' else words[-1]}={shown_value}"


def _stem(config_file: str) -> str:
    """configs/motion.py:tiny is motion_tiny."""
    path, _, variant = config_file.partition(":")
    return "_".join(filter(None, [path.rsplit("/", 1)[-1].removesuffix(".py"), variant]))


def _text(value: Any, workdirs: Mapping[str, str]) -> str:
    """A value as the command line takes it."""
    if isinstance(value, str):
        for parent, workdir in workdirs.items():
            value = value.replace(f"{{{parent}}}", workdir)
        return value
    return repr(value)


__all__ = ["Trial", "Whole", "plan"]
