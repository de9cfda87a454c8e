"""What the answers to a study say: shares of every question by system, how sure they are, how far raters agree."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_pipeline.files import write_atomically
from launch.studies.answers import Answer
from launch.studies.key import Key
from launch.studies.questions import TIE
from launch.studies.raters import Rater
from xdancer_jax.evals import protocols
from xdancer_jax.evals.agreement import Agreement, KrippendorffAlpha
from xdancer_jax.evals.preference import TIE as NEITHER
from xdancer_jax.evals.preference import PreferenceShares, Share

SHARES, ALPHA = PreferenceShares(), KrippendorffAlpha()


class Told(NamedTuple):
    """Of one question. first: share of answers that chose the clip that stood first; 1 / systems without a bias."""

    question: str
    shares: list[Share]
    agreement: Agreement
    answers: int
    raters: int
    ties: int
    first: float


def measure(answers: Sequence[Answer], key: Key) -> list[Told]:
    """A Told for each question that has answers, in the order of the study."""
    system = {clip: number for item in key.items for clip, number in item.clips.items()} | {TIE: NEITHER}
    by_question = {name: [one for one in answers if one.question == name] for name in key.questions}
    return [_told(name, of, system, key) for name, of in by_question.items() if of]


def _told(name: str, answers: Sequence[Answer], system: dict[str, int], key: Key) -> Told:
    raters = {rater: number for number, rater in enumerate(sorted({one.rater for one in answers}))}
    items = {item.id: number for number, item in enumerate(key.items)}
    chosen = np.array([system[one.choice] for one in answers])
    by = np.array([raters[one.rater] for one in answers])
    ratings = np.full((len(raters), len(items)), -1)
    ratings[by, [items[one.item] for one in answers]] = np.where(chosen == NEITHER, len(key.systems), chosen)
    return Told(
        name, SHARES(chosen, by, len(key.systems)), ALPHA(ratings), len(answers), len(raters),
        int((chosen == NEITHER).sum()), float(np.mean([one.choice == one.shown[0] for one in answers])),
    )  # fmt: skip


def lines(told: Sequence[Told], key: Key, raters: Sequence[Rater]) -> list[str]:
    """A table to be read: percent, intervals of 95%."""
    complete = sum(rater.comparisons == len(key.items) for rater in raters)
    wide = max(6, *map(len, key.systems))
    shown = [
        f"{len(raters)} raters, {complete} of them with all {len(key.items)} comparisons; by chance a system has "
        f"{100 / len(key.systems):.1f}%",
        f"{'question':12} {'system':{wide}}  share %  over raters    of answers     chosen",
    ]
    for one in told:
        for name, share in zip(key.systems, one.shares, strict=True):
            shown.append(
                f"{one.question:12} {name:{wide}}  {100 * share.share:7.1f}  {_span(share.over_raters):13}  "
                f"{_span(share.of_answers):13}  {share.chosen}"
            )
        alpha = "-" if math.isnan(one.agreement.alpha) else f"{one.agreement.alpha:.2f}"
        observed = "-" if math.isnan(one.agreement.observed) else f"{100 * one.agreement.observed:.0f}%"
        shown.append(
            f"{'':12} {one.answers} answers, {one.ties} ties; first clip chosen {100 * one.first:.0f}%; agreement: "
            f"alpha {alpha}, {observed} of pairs"
        )
    return shown + [f"look at rater {rater.id}: {why}" for rater in raters for why in rater.doubts()]


def _span(interval: Sequence[float]) -> str:
    return "-" if math.isnan(interval[0]) else f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}"


def write(told: Sequence[Told], key: Key, raters: Sequence[Rater], left_out: Sequence[str], folder: Path) -> list[Path]:
    """Writes results.jsonl (protocols.Result), results.csv and raters.csv into `folder`; returns where they lie."""
    source = {"study": key.study, "systems": key.systems, "comparisons": len(key.items), "left_out": list(left_out)}
    records = [result for one in told for result in _records(one, key, source)]
    rows = [
        [one.question, name, one.raters, one.answers, share.chosen, one.ties, share.share, *share.over_raters,
         *share.of_answers, *one.agreement[:2], one.first]
        for one in told for name, share in zip(key.systems, one.shares, strict=True)
    ]  # fmt: skip
    header = (
        "question", "system", "raters", "answers", "chosen", "ties", "share", "over_raters_low", "over_raters_high",
        "of_answers_low", "of_answers_high", "alpha", "observed_agreement", "first_clip_chosen",
    )  # fmt: skip
    files = {
        folder / "results.jsonl": "".join(f"{record}\n" for record in records),
        folder / "results.csv": _csv(header, rows),
        folder / "raters.csv": _csv(Rater._fields, raters),
    }
    for path, text in files.items():
        write_atomically(path, text.encode())
    return list(files)


def _records(one: Told, key: Key, source: dict) -> list[str]:
    values, counts = {}, {"raters": one.raters, "answers": one.answers, "ties": one.ties}
    for name, share in zip(key.systems, one.shares, strict=True):
        values |= {
            f"share/{name}": share.share, f"over_raters_low/{name}": share.over_raters.low,
            f"over_raters_high/{name}": share.over_raters.high, f"of_answers_low/{name}": share.of_answers.low,
            f"of_answers_high/{name}": share.of_answers.high,
        }  # fmt: skip
        counts[f"chosen/{name}"] = share.chosen
    agreed = {"alpha": one.agreement.alpha, "observed": one.agreement.observed}
    results = [
        protocols.record(SHARES, values, counts),
        protocols.record(ALPHA, agreed, {"raters": one.raters, "pairable": one.agreement.pairable}),
    ]
    return [_with_source(result, source | {"question": one.question}) for result in results]


def _with_source(result: protocols.Result, source: dict) -> str:
    return protocols.Result(result.protocol, result.constants, result.values, result.counts, source).as_json()


def _csv(header: Sequence[str], rows: Sequence[Sequence]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([
        header, *(["" if isinstance(cell, float) and math.isnan(cell) else cell for cell in row] for row in rows)
    ])  # fmt: skip
    return text.getvalue()


__all__ = ["Told", "lines", "measure", "write"]
