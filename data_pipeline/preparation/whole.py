"""A data set from jobs: they are done, their clips get a split, the set is written, and a report tells of all."""

import collections
import csv
import dataclasses
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from etils import epath

from data_pipeline import data_set, music, prepared_clips, report_page, set_index
from data_pipeline.feature_sets import FeatureSet
from data_pipeline.files import put
from data_pipeline.preparation import running, sheets, splits
from data_pipeline.preparation.cache import Cache
from data_pipeline.preparation.jobs import Job, Made, Make, Outcome
from data_pipeline.prepared_clips import Item


class Division(NamedTuple):
    """How clips are divided into splits: by lists of names, or by a hash of a column, "test_share" of it for tests.

    by: "song", "performer", "id" or another column; clips that know their split keep it.
    """

    by: str
    test_share: float
    lists: Mapping[str, frozenset[str]]
    ignored: frozenset[str]


@dataclasses.dataclass
class Plan:
    """A set to prepare. name: of its folder in `data`. settings: what decides its content. features: None for a set
    without music. size: (H, W) of pictures; None for a set without."""

    data: str
    name: str
    jobs: Sequence[Job]
    make: Make
    settings: Mapping[str, Any]
    division: Division
    features: FeatureSet | None
    size: tuple[int, int] | None


class Entry(NamedTuple):
    """A clip, the file it is of and its split; reasons where it is not kept."""

    made: Made
    path: str
    split: str
    reasons: list[str]


def prepare(plan: Plan, cache: Cache, beam: Any | None, tell: Callable[[int], None]) -> str:
    """Does what is still to be done and writes the set and, beside it, NAME.report/. Returns the set's folder.

    Raises:
        ValueError: no clip is left for a split; the report is there all the same. Or the set is there and damaged.
    """
    folder = str(epath.Path(plan.data, plan.name))
    if _is_there(folder, plan):
        data_set.check(folder, splits.SPLITS)
        return folder
    cache.create()
    outcomes = list(running.run(plan.jobs, plan.make, cache, beam, tell))
    entries = [entry for outcome in outcomes for entry in divide(outcome, plan.division)]
    failures = [outcome for outcome in outcomes if outcome.failure]
    report = epath.Path(plan.data, f"{plan.name}.report")
    write_report(report, plan, entries, failures, cache)
    kept = {split: [e.made for e in entries if e.split == split and not e.reasons] for split in splits.SPLITS}
    empty = [split for split, clips in kept.items() if not clips]
    if empty:
        raise ValueError(
            f"{plan.data}: no clip is left for the split {' and '.join(empty)}; {_why(entries, failures)}; see {report}"
        )
    items = {
        split: [Item(one.id, one.frames, _song(one), one.digest, cache.path(one.file)) for one in clips]
        for split, clips in kept.items()
    }
    features = plan.features and _normalised(plan.features, items["train"])
    return data_set.write(
        folder, items, _songs([one for clips in kept.values() for one in clips], cache), settings=plan.settings,
        features=features, size=plan.size,
    )


def _is_there(folder: str, plan: Plan) -> bool:
    """Whether a set of jobs without files, which its settings alone decide, is complete."""
    if not epath.Path(folder).exists() or any(job.files for job in plan.jobs):
        return False
    return set_index.read(folder).settings == dict(plan.settings)


def divide(outcome: Outcome, division: Division) -> list[Entry]:
    """The clips of a job with their splits."""
    found = []
    for made in outcome.made:
        reasons, split = made.dropped(outcome.job.limits), made.columns.get("split", "")
        if outcome.job.id in division.ignored or made.id in division.ignored:
            reasons = ["ignored", *reasons]
        elif not split and division.lists:
            split = splits.by_lists(outcome.job.id, division.lists) or ""
            reasons = reasons if split else ["in_no_list", *reasons]
        elif not split:
            split = splits.by_hash(_value(made, division.by), division.test_share)
        elif split not in splits.SPLITS:
            reasons = ["unknown_split", *reasons]
        found.append(Entry(made, outcome.job.path, split, reasons))
    return found


def _value(made: Made, by: str) -> str:
    """What a clip is divided by; a clip without it by its sound, or else by itself."""
    return made.columns.get(by) or (_song(made) if by == "song" else "") or made.id


def _song(made: Made) -> str:
    return made.sound_digest[:16]


def _songs(clips: Sequence[Made], cache: Cache) -> list[Item]:
    """Of each sound once, in the order of clips."""
    found = {_song(one): one for one in reversed(clips) if one.sound}
    return [
        Item(song, 0, "", found[song].sound_digest, cache.path(found[song].sound))
        for song in dict.fromkeys(_song(one) for one in clips if one.sound)
    ]


def _normalised(features: FeatureSet, train: Sequence[Item]) -> FeatureSet:
    """With the mean and spread of the training clips where the set has no constants of its own."""
    if features.scale:
        return features
    moments = music.Moments(features.width)
    for item in train:
        moments.add(prepared_clips.read(item.path, ("music",))["music"])
    return dataclasses.replace(features, offset=moments.mean, scale=moments.spread)


def _why(entries: Sequence[Entry], failures: Sequence[Outcome]) -> str:
    counted = collections.Counter(reason for entry in entries for reason in entry.reasons)
    told = [f"{count} {reason}" for reason, count in counted.most_common(5)]
    told += [f"{len(failures)} failed, the first: {failures[0].failure}"] if failures else []
    kept = sum(not entry.reasons for entry in entries)
    if kept:
        return (
            f"all {kept} are in the other: set config.split.by, config.split.test_share or lists, or the column "
            f'"split" of a table; {len(entries) + len(failures) - kept} were dropped: {", ".join(told) or "none"}'
        )
    return f"of {len(entries) + len(failures)} clips were dropped: {', '.join(told) or 'none'}"


def write_report(
    folder: epath.Path, plan: Plan, entries: Sequence[Entry], failures: Sequence[Outcome], cache: Cache
) -> None:
    """FOLDER/report.html, clips.csv and rejects.csv."""
    folder.mkdir(parents=True, exist_ok=True)
    rejects = [(outcome.job.id, outcome.job.path, "failed", outcome.failure) for outcome in failures]
    rejects += [
        (entry.made.id, entry.path, " ".join(entry.reasons), entry.made.detail) for entry in entries if entry.reasons
    ]
    put(folder / "rejects.csv", _csv(("id", "file", "reason", "detail"), rejects))
    put(folder / "clips.csv", _csv(_COLUMNS, map(_row, entries)))
    page = report_page.page(
        [_told(entry) for entry in entries],
        [report_page.Reject(outcome.job.id, outcome.failure) for outcome in failures],
        sheets.sheets([entry.made for entry in entries if not entry.reasons], cache), dict(plan.settings),
    )
    put(folder / "report.html", page.encode())


_COLUMNS: Final = ("id", "split", "kept", "reasons", "song", "performer", "frames", "start", "stop", "scores", "counts")


def _row(entry: Entry) -> tuple[Any, ...]:
    made = entry.made
    return (
        made.id, entry.split, not entry.reasons, " ".join(entry.reasons), made.columns.get("song", ""),
        made.columns.get("performer", ""), made.frames, f"{made.start:.3f}", f"{made.stop:.3f}",
        json.dumps(dict(made.scores)), json.dumps(dict(made.counts)),
    )


def _csv(header: Sequence[str], rows: Any) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([header, *rows])
    return text.getvalue().encode()


def _told(entry: Entry) -> report_page.Row:
    made = entry.made
    return report_page.Row(
        id=made.id, source=entry.path or made.id, split=entry.split, seconds=made.stop - made.start,
        scores=made.scores, confidence=made.confidence, tempo=made.tempo, size=made.size, reasons=entry.reasons,
        counts=made.counts,
    )


__all__ = ["Division", "Entry", "Plan", "divide", "prepare", "write_report"]
