"""Kept clips are measured: a file for each protocol, what is there already is not made again, and nothing is skipped in
silence."""

import dataclasses
import datetime
import shlex
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from launch.runs import agreement, sharing, versions
from launch.suites import kept
from launch.suites.figure import Figure, Kept
from launch.suites.kept import Place
from launch.suites.networks import Given
from xdancer_jax.evals.protocols import Result


@dataclasses.dataclass(frozen=True)
class Measured:
    """What is measured, and by what.

    Attributes:
      source: stated in every result; one that states other values is measured anew.
      data: fingerprint. weights: digests of the run's parts.
      given: files of the metrics' networks.
      only: ids of the protocols, all if empty.
    """

    source: Mapping[str, Any]
    data: str
    weights: Mapping[str, str]
    given: Given
    only: tuple[str, ...] = ()


def measure(place: Place, found: Sequence[Figure], clips: Kept, what: Measured) -> list[str]:
    """Writes FOLDER/SUITE/PROTOCOL.json of every figure that can be measured and is not there. Several processes divide
    the figures; every one must call it. Returns a line for each that failed, of this process's.

    Raises ValueError for protocols that the suite does not have.
    """
    known = [each for figure in found for each in figure.ids]
    if wrong := [each for each in what.only if each not in known]:
        raise ValueError(f"--protocols: the suite {place.suite} has no {wrong[0]}; it has {', '.join(known)}")
    chosen = [figure for figure in found if not what.only or set(figure.ids) & set(what.only)]
    return agreement.everywhere(lambda: [
        line for figure in sharing.mine(chosen) if (line := _one(place, figure, clips, what))
    ])


def _one(place: Place, figure: Figure, clips: Kept, what: Measured) -> str:
    """"" or why it failed."""
    title = ", ".join(figure.ids)
    if figure.lacking:
        print(f"  {title}: left out: {figure.lacking}", flush=True)
        return ""
    try:
        networks = what.given.stated(*figure.networks)
        source = {**what.source, "networks": networks, "clips_measured": len(clips.names)}
        if all(kept.has_result(place, each, source, what.weights) for each in figure.ids):
            print(f"  {title}: there already", flush=True)
            return ""
        for result in figure.measure():
            _write(place, _complete(result, clips, what.given, bool(networks)), source, what)
    except (ValueError, OSError) as error:
        line = f"{title}: not measured: {error}"
        print(f"  {line}", file=sys.stderr, flush=True)
        return line
    return ""


def _complete(result: Result, clips: Kept, given: Given, looks: bool) -> Result:
    """With what was left out before, and a mark where its network's weights are random."""
    notes = [*clips.notes, *result.notes]
    if given.random and looks and not any("random weights" in note for note in notes):
        notes.append(f"{result.protocol}: random weights; comparable with nothing but runs of the same seed")
    return dataclasses.replace(result, notes=tuple(notes), counts={**result.counts, "clips_left_out": clips.left_out})


def _write(place: Place, result: Result, source: Mapping[str, Any], what: Measured) -> None:
    about = {
        "data": what.data, "weights": dict(what.weights), "command": shlex.join(sys.argv), "versions": versions.found(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }
    kept.write_result(place, result, source, about)
    for name, value in result.values.items():
        print(f"  {result.protocol:<32} {name:<28} {value:.4f}")
    for note in result.notes:
        print(f"  note: {note}", flush=True)


__all__ = ["Measured", "measure"]
