"""Every figure of the entries of a report, with the protocol that made it, and what the entries are."""

import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

from launch.reporting.entries import Entry, Found, interval
from launch.reporting.markup import fold, text
from launch.reporting.tables import Cell, Head, Table

_SHOWN = ("split", "clips", "frames", "seed")  # of a result's source: what of its data was taken


def overview(entries: Sequence[Entry]) -> Table:
    """A line an entry: its stage, step, data and place."""
    heads = [Head(name) for name in ("stage", "trained to step", "figures of step", "measured on", "folder")]
    rows = []
    for entry in entries:
        last = max((line["step"] for line in entry.metrics), default=None)
        cells = (
            Cell(words=entry.stage or "another system"), Cell(words="–" if last is None else str(last)),
            Cell(words=str(entry.step) if entry.step is not None else "–" if entry.found else "none: launch.evaluate"),
            Cell(words=_data(entry)), Cell(words=str(entry.folder)),
        )  # fmt: skip
        rows.append((entry.name, cells))
    return Table("overview", "What is shown", heads, rows)


def _data(entry: Entry) -> str:
    """Fingerprint and what of the data was taken, once each."""
    told = []
    for found in entry.found:
        taken = [f"{name} {found.result.source[name]}" for name in _SHOWN if name in found.result.source]
        told.append(", ".join([found.data[:12] or "data not stated", *taken]))
    return "; ".join(dict.fromkeys(told)) or "–"


def of_entry(entry: Entry) -> Table:
    """Every figure of an entry, a line each."""
    rows = []
    for found in entry.found:
        for figure, value in found.result.values.items():
            if figure in ("low", "high"):
                continue
            protocol = found.result.protocol + (" (random weights)" if found.random else "")
            rows.append((figure, (Cell(words=protocol), Cell(words=found.suite),
                                  Cell(value, *interval(found.result, figure)))))  # fmt: skip
    heads = (Head("protocol"), Head("suite"), Head("value"))
    return Table(f"figures_{entry.name}", f"Figures of {entry.label}", heads, rows)


def protocols(entries: Sequence[Entry]) -> Iterator[str]:
    """HTML: each protocol with one set of constants once, with what every entry's result says of its data."""
    kinds: dict[tuple[str, str], dict[str, str]] = {}
    for entry in entries:
        for found in entry.found:
            constants = json.dumps(dict(found.result.constants), indent=1, sort_keys=True, ensure_ascii=False)
            told = kinds.setdefault((found.result.protocol, constants), {})
            told[entry.label] = told.get(entry.label, "") + _told(entry, found)
    for (protocol, constants), told in sorted(kinds.items()):
        yield fold(f"{protocol}: {_few(list(told))}", f"<pre>{text(constants)}</pre>{''.join(told.values())}")


def _few(labels: Sequence[str]) -> str:
    return ", ".join(labels[:3]) + (f" and {len(labels) - 3} more" if len(labels) > 3 else "")


def _told(entry: Entry, found: Found) -> str:
    result = found.result
    lines = [f"{name}: {count}" for name, count in result.counts.items()]
    lines += [f"{name}: {value}" for name, value in result.source.items() if not _empty(value)]
    lines += [f"note: {note}" for note in result.notes]
    lines += [f"data: {found.data}"] if found.data and "fingerprint" not in result.source else []
    lines += [f"command: {found.command}"] if found.command else []
    items = "".join(f"<li>{text(line)}</li>" for line in lines)
    return f"<p>{text(entry.label)}{', suite ' + text(found.suite) if found.suite else ''}</p><ul>{items}</ul>"


def _empty(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


__all__ = ["of_entry", "overview", "protocols"]
