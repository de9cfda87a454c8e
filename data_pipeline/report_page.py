"""What came of a preparation, as one page of HTML that needs no other file.

Its length does not grow with the number of clips: histograms hold them all, tables the first 200. All clips with all
their numbers are in clips.csv and rejects.csv beside it.
"""

import base64
import collections
import dataclasses
import html
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from data_pipeline import image_files, report_figures
from data_pipeline.skeleton import PARTS

_SHOWN: Final = 200  # rows of a table


@dataclasses.dataclass(frozen=True)
class Row:
    """A clip, kept or dropped.

    Attributes:
        id, source: of the clip, and the file that it is from.
        split: "" where it was dropped before it got one.
        seconds: its length.
        scores: what filters.Scores names; None or absent where it was not measured.
        confidence: mean by part of the body.
        tempo: beats a minute; None without music.
        size: bytes of its files.
        reasons: why it was dropped; nothing of one that is kept.
        counts: of oddities of its source, by name.
    """

    id: str
    source: str
    split: str
    seconds: float
    scores: Mapping[str, float | None]
    confidence: Mapping[str, float]
    tempo: float | None
    size: int
    reasons: Sequence[str]
    counts: Mapping[str, int]


class Reject(NamedTuple):
    """A file of which nothing came, and why, in one line."""

    id: str
    reason: str


class _Filter(NamedTuple):
    """score: its name in Row.scores and in the limits. high: end of its histogram; None for one by the numbers."""

    score: str
    reason: str
    says: str
    side: str
    high: float | None


_FILTERS: Final = (
    _Filter("seconds", "too_short", "length, s", "at least", None),
    _Filter("second_person", "several_people", "share of frames with a second person", "at most", 1.0),
    _Filter("person_box", "person_small", "person's box, share of the frame", "at least", 1.0),
    _Filter("corner_deviation", "camera_moves", "deviation of corner pixels, 8-bit levels", "at most", None),
    _Filter("quality", "low_quality", "quality of pictures, 0 to 100", "at least", 100.0),
)
_HEAD: Final = f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Data set</title>
<style>
body {{ font: 15px/1.5 sans-serif; margin: 2em auto; max-width: 75em; padding: 0 1em; color: #222; background: #fff }}
table {{ border-collapse: collapse; margin: 1em 0 }}
th, td {{ padding: .2em .8em; text-align: left; border-bottom: 1px solid #ddd }}
td {{ overflow-wrap: anywhere; min-width: 4em }}
td.n {{ text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }}
figure {{ display: inline-block; vertical-align: top; width: 22em; margin: 0 1em 1em 0 }}
img {{ max-width: 100%; display: block; margin-bottom: .5em }}
.kept {{ color: {report_figures.KEPT} }} .dropped {{ color: {report_figures.DROPPED} }}
</style></head>
<body>
"""


def page(
    rows: Sequence[Row], rejects: Sequence[Reject], sheets: Sequence[np.ndarray], settings: Mapping[str, Any]
) -> str:
    """The page.

    Args:
        rows: all clips. rejects: files of which nothing came.
        sheets: (H, W, 3) uint8, contact sheets of kept clips.
        settings: of the run; its "filters" are the limits (filters.Limits), of which one that is None is off. Without
            them nothing was filtered.
    """
    kept, dropped = ([row for row in rows if bool(row.reasons) is out] for out in (False, True))
    limits = settings.get("filters")
    parts = [
        *_summary(kept, dropped, rejects), *_splits(kept), *_reasons(dropped, rejects), *_filters(rows, limits),
        *_histograms(kept, dropped, limits or {}), *_sheets(sheets), *_oddities(rows), *_dropped(dropped),
        *_failed(rejects), "<h2>Settings</h2>", _table(("setting", "value"), _flat(settings)),
    ]  # fmt: skip
    return _HEAD + "\n".join(parts) + "\n</body></html>\n"


def _summary(kept: Sequence[Row], dropped: Sequence[Row], rejects: Sequence[Reject]) -> Iterator[str]:
    hours, size = _hours(kept), sum(row.size for row in kept)
    yield "<h1>Data set: what was kept, and why the rest was not</h1>"
    yield (
        f"<p>{len(kept)} of {len(kept) + len(dropped)} clips are kept: {hours:.2f} of {hours + _hours(dropped):.2f} "
        f"hours. {_count(len(rejects), 'file')} failed.</p>"
    )
    if hours:
        yield f"<p>They take {_bytes(size)} of disk, {_bytes(size / hours)} an hour of footage.</p>"


def _splits(kept: Sequence[Row]) -> Iterator[str]:
    named = {split: [row for row in kept if row.split == split] for split in dict.fromkeys(row.split for row in kept)}
    if named:
        told = [(split, len(of), _hours(of)) for split, of in sorted(named.items(), reverse=True)]
        yield _table(("split", "clips", "hours"), told)


def _reasons(dropped: Sequence[Row], rejects: Sequence[Reject]) -> Iterator[str]:
    yield "<h2>Dropped, by reason</h2>"
    by_name = collections.defaultdict(list)
    for row in dropped:
        for reason in row.reasons:
            by_name[reason].append(row)
    told = [(name, len(of), _hours(of)) for name, of in by_name.items()]
    told += [("failed", len(rejects), None)] if rejects else []
    if told:
        yield "<p>A clip may have several.</p>" + _table(
            ("reason", "clips", "hours"), sorted(told, key=lambda one: -one[1])
        )
    else:
        yield "<p>Nothing was dropped.</p>"


def _filters(rows: Sequence[Row], limits: Mapping[str, Any] | None) -> Iterator[str]:
    yield "<h2>Filters</h2>"
    if limits is None:
        yield "<p>Clips of this kind are not filtered.</p>"
        return
    told = []
    for one in _FILTERS:
        numbers = _numbers(rows, one.score)
        failed = sum(one.reason in row.reasons for row in rows)
        median = float(np.median(numbers)) if len(numbers) else None
        told.append((one.says, _limit(one, limits, numbers), len(numbers), median, one.reason, failed))
    yield _table(("filter", "a clip is kept by", "measured", "median", "reason", "dropped"), told)


def _limit(one: _Filter, limits: Mapping[str, Any], numbers: np.ndarray) -> str:
    """What a clip is kept by; or that the filter is off, and why."""
    limit = limits.get(one.score)
    if limit is None:
        return "off: " + ("no scorer was given" if one.score == "quality" and not len(numbers) else "no limit was set")
    return f"{one.side} {limit:g}" if len(numbers) else "off: no clip was measured"


def _histograms(kept: Sequence[Row], dropped: Sequence[Row], limits: Mapping[str, Any]) -> Iterator[str]:
    yield (
        '<h2>Numbers of clips</h2><p><span class="kept">&#9632;</span> kept <span class="dropped">&#9632;</span> '
        "dropped, on top; dashed: the limit; the last bar holds what lies beyond.</p>"
    )
    for one in _FILTERS:
        yield from _figure(
            one.says, _numbers(kept, one.score), _numbers(dropped, one.score), one.high, limits.get(one.score), one.side
        )
    for part in PARTS:
        found = [_finite(row.confidence.get(part) for row in of) for of in (kept, dropped)]
        yield from _figure(f"confidence, {part.replace('_', ' ')}", *found, 1.0)
    yield from _figure("tempo, beats a minute", *(_finite(row.tempo for row in of) for of in (kept, dropped)))


def _figure(
    says: str, kept: np.ndarray, dropped: np.ndarray, high: float | None = None, limit: float | None = None,
    side: str = "",
) -> Iterator[str]:
    """Nothing where no clip has the number."""
    if len(kept) + len(dropped) == 0:
        return
    told = f"{says}; {_count(len(kept), 'clip')} kept"
    told += f", median {_number(np.median(kept))}" if len(kept) else ""
    told += f", {len(dropped)} dropped"
    told += "" if limit is None else f"; {side} {limit:g}"
    image = _image("svg+xml", report_figures.histogram(kept, dropped, high, limit), f"histogram: {told}")
    yield f"<figure>{image}<figcaption>{_text(told)}</figcaption></figure>"


def _sheets(sheets: Sequence[np.ndarray]) -> Iterator[str]:
    if sheets:
        yield f"<h2>Skeletons over frames</h2><p>{_count(len(sheets), 'clip')} of those kept, a row each.</p>"
    for number, sheet in enumerate(sheets, 1):
        yield _image("jpeg", image_files.encode_jpeg(sheet), f"frames of clip {number} with skeletons")


def _oddities(rows: Sequence[Row]) -> Iterator[str]:
    clips, most = collections.Counter(), collections.Counter()
    for row in rows:
        for name, count in row.counts.items():
            clips[name] += 1
            most[name] = max(most[name], count)
    if clips:
        yield "<h2>Oddities of the files</h2>"
        yield _table(("oddity", "clips", "most in one"), [(name, n, most[name]) for name, n in clips.most_common()])


def _dropped(dropped: Sequence[Row]) -> Iterator[str]:
    if dropped:
        names = [one.score for one in _FILTERS]
        yield "<h2>Dropped clips</h2>"
        told = [
            (row.id, row.source, ", ".join(row.reasons), *(row.scores.get(name) for name in names))
            for row in dropped[:_SHOWN]
        ]
        yield _table(("clip", "source", "reasons", *names), told, len(dropped))


def _failed(rejects: Sequence[Reject]) -> Iterator[str]:
    if rejects:
        yield "<h2>Files that failed</h2>"
        yield _table(("file", "why"), rejects[:_SHOWN], len(rejects))


def _flat(settings: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """("filters.person_box", "0.275") and so on."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", json.dumps(value, ensure_ascii=False, default=str)


def _numbers(rows: Sequence[Row], score: str) -> np.ndarray:
    """Of the clips that were measured; a clip's length is known without."""
    return _finite(row.scores.get(score, row.seconds if score == "seconds" else None) for row in rows)


def _finite(values: Iterable[float | None]) -> np.ndarray:
    found = np.array([np.nan if value is None else value for value in values], np.float64)
    return found[np.isfinite(found)]


def _hours(rows: Sequence[Row]) -> float:
    return sum(row.seconds for row in rows) / 3600


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _bytes(count: float) -> str:
    return f"{count / 1e9:.2f} GB" if count >= 1e9 else f"{count / 1e6:.2f} MB"


def _image(kind: str, content: bytes, says: str) -> str:
    return f'<img alt="{_text(says)}" src="data:image/{kind};base64,{base64.b64encode(content).decode()}">'


def _table(header: Sequence[str], rows: Iterable[Sequence[Any]], whole: int = 0) -> str:
    """whole: how many rows there are, if more than are given."""
    rows = list(rows)
    lines = ["".join(f"<th>{_text(name)}</th>" for name in header)]
    lines += ["".join(map(_cell, row)) for row in rows]
    rest = f"<p>and {whole - len(rows)} more, in rejects.csv</p>" if whole > len(rows) else ""
    return "<table>" + "\n".join(f"<tr>{line}</tr>" for line in lines) + f"</table>{rest}"


def _cell(value: str | float | None) -> str:
    if value is None or isinstance(value, str):
        return f"<td>{_text(value or '')}</td>"
    return f'<td class="n">{value if isinstance(value, int) else _number(value)}</td>'


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _text(value: Any) -> str:
    """Safe in HTML, whatever names files have."""
    return html.escape(str(value).encode("utf-8", "replace").decode())


__all__ = ["Reject", "Row", "page"]
