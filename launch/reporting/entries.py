"""What a report tells of: runs, rows of a sweep, and folders of figures of other systems, read from their files.

A run's figures are the lines of its evaluation.jsonl and the files evaluation/step_<N>/<suite>/<protocol>.json, of the
newest step that has any. Figures of videos that nobody of us made lie in DIR/<suite>/<protocol>.json.
"""

import dataclasses
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from etils import epath

from launch.figures import results as lines
from xdancer_jax import paths
from xdancer_jax.evals import protocols
from xdancer_jax.evals.protocols import Result
from xdancer_jax.train import metrics, record

SUITES = ("motion", "reconstruction", "video")
FOLDER = "evaluation"
_TAKEN = ("clips", "frames", "seed")  # of a result's source: what of its split was measured
# Suites that the lines of evaluation.jsonl, which name none, belong to, by stage.
_OF_STAGE = {"tokenizer": "reconstruction", "autoencoder": "reconstruction", "motion": "motion", "video": "video"}


@dataclasses.dataclass(frozen=True)
class Found:
    """A result with what its file says beside it.

    Attributes:
      suite: one of SUITES.
      result: the figures.
      data: fingerprint of the data set, "" where it is not stated.
      command: that made it, "" where it is not stated.
    """

    suite: str
    result: Result
    data: str = ""
    command: str = ""

    @property
    def random(self) -> bool:
        """Whether the networks that it was measured through have random weights: a trial, and no figure."""
        networks = self.result.source.get("networks") or {}
        told = [*(networks.values() if isinstance(networks, Mapping) else []), *self.result.notes]
        told += [self.result.source.get("weights", "")]
        return any("random weights" in str(each) or str(each).startswith("random") for each in told)

    @property
    def kind(self) -> str:
        """Constants of the protocol and the networks' weights, JSON: figures of two kinds are two figures."""
        source, constants = self.result.source, dict(self.result.constants)
        constants |= {name: source[name] for name in ("networks", "weights", "face_finder") if source.get(name)}
        return json.dumps(constants, sort_keys=True, ensure_ascii=False)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A run, or a folder of figures of other systems, whose stage is "", config empty and step None.

    Attributes:
      name: of its last folder.
      folder: where it lies.
      config: of the run, see train.record.
      step: that the figures are of; None where there are none.
      found: the figures of that step.
      metrics: lines of its training.
      clips: folders of kept clips.
      samples: pictures and videos that training drew, oldest first.
    """

    name: str
    folder: epath.Path
    stage: str
    config: Mapping[str, Any]
    step: int | None
    found: Sequence[Found]
    metrics: Sequence[Mapping[str, Any]] = ()
    clips: Sequence[epath.Path] = ()
    samples: Sequence[epath.Path] = ()

    @property
    def label(self) -> str:
        return self.name if self.step is None else f"{self.name}, step {self.step}"


def read(folder: str) -> Entry:
    """The run or the figures in `folder`. Raises ValueError where there is neither, or for a damaged file, named."""
    path = paths.at(folder)
    if not _is(path / "config.json") and any(_is(path / suite) for suite in SUITES):
        found = _suites(path)
        if not found:
            raise ValueError(f"{folder}: no figures there; measure with launch.evaluate --from_videos, --out={folder}")
        return Entry(path.name, path, "", {}, None, found, clips=_clips(path))
    content = record.read(folder)
    step, found, place = _newest(path, content["stage"])
    return Entry(
        path.name, path, content["stage"], content["config"], step, found, metrics.read(folder),
        _clips(place) if place else (), _samples(path),
    )


def _newest(workdir: epath.Path, stage: str) -> tuple[int | None, list[Found], epath.Path | None]:
    """(step, its figures, the folder of its suites)."""
    suites = {_step(place): place for place in _folders(workdir / FOLDER, "step_")}
    kept = {step: _suites(place) for step, place in suites.items()}
    lined = [each for each in lines.read(workdir / lines.NAME) if isinstance(each.source.get("step"), int)]
    steps = {step for step, found in kept.items() if found} | {each.source["step"] for each in lined}
    if not steps:
        return None, [], suites[max(suites)] if suites else None
    step = max(steps)
    of_lines = [
        Found(_OF_STAGE.get(stage, ""), each, str(each.source.get("fingerprint", "")))
        for each in lined if each.source["step"] == step
    ]
    last = {(each.suite, each.result.protocol, each.kind): each for each in of_lines + kept.get(step, [])}
    return step, list(last.values()), suites.get(step)


def _suites(folder: epath.Path) -> list[Found]:
    """Figures of FOLDER/<suite>/*.json."""
    found = []
    for suite in SUITES:
        for path in sorted(_files(folder / suite, ".json")):
            found.append(_of_file(path, suite))
    return found


def _of_file(path: epath.Path, suite: str) -> Found:
    try:
        content = json.loads(paths.translated(path, path.read_text))
        if content["format"] != 1:
            raise ValueError(f"format {content['format']}, and this version reads 1")
        (result,) = protocols.parse([json.dumps(content["result"])], path)
        command = content.get("command", "")
        command = command if isinstance(command, str) else " ".join(map(str, command))
        data = content.get("data") or ""
        data = data.get("fingerprint", "") if isinstance(data, Mapping) else data
        return Found(suite, result, str(data), command)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path}: not a figure of launch.evaluate ({error}); measure it again") from error


def check_alike(entries: Sequence[Entry]) -> None:
    """Raises ValueError, which names both, for runs that were measured on different data: sets or splits, or for one
    protocol other numbers of clips or frames, or seeds. What other systems' clips show their folders alone know."""
    first: dict[tuple[str, ...], tuple[str, Entry]] = {}
    for entry in entries:
        for found in entry.found if entry.stage else ():
            source = found.result.source
            stated = {("data set",): found.data, ("split",): source.get("split", "")}
            stated |= {(name, found.suite, found.result.protocol): source.get(name, "") for name in _TAKEN}
            for what, value in stated.items():
                before, other = first.setdefault(what, (value, entry)) if value != "" else (value, entry)
                if before != value:
                    raise ValueError(
                        f"{other.folder} and {entry.folder} were measured on different data: {what[0]} "
                        f"{str(before)[:16]} and {str(value)[:16]}{' for ' + what[-1] if len(what) > 1 else ''}; "
                        "give a report for each, or measure both alike by launch.evaluate"
                    )


def interval(result: Result, figure: str) -> tuple[float, float]:
    """(low, high) of a figure, NaN where the result has none: a result states that of its leading figure."""
    leading = figure in ("score", "diversity", "distance", "jerk")
    return tuple(result.values.get(end, math.nan) if leading else math.nan for end in ("low", "high"))


def _clips(folder: epath.Path) -> list[epath.Path]:
    return [folder / suite / "clips" for suite in SUITES if _is(folder / suite / "clips")]


def _samples(workdir: epath.Path) -> list[epath.Path]:
    return sorted([*_files(workdir / "samples", ".png"), *_files(workdir / "samples", ".mp4")])


def _step(folder: epath.Path) -> int:
    return int(folder.name.removeprefix("step_"))


def _folders(folder: epath.Path, start: str) -> list[epath.Path]:
    return [
        each for each in _entries(folder) if each.name.startswith(start) and each.name.removeprefix(start).isdigit()
    ]


def _files(folder: epath.Path, suffix: str) -> list[epath.Path]:
    return [each for each in _entries(folder) if each.suffix == suffix and not each.name.startswith(".")]


def _entries(folder: epath.Path) -> list[epath.Path]:
    return paths.translated(folder, lambda: list(folder.iterdir()) if folder.is_dir() else [])


def _is(path: epath.Path) -> bool:
    return paths.translated(path, path.exists)


__all__ = ["FOLDER", "SUITES", "Entry", "Found", "check_alike", "interval", "read"]
