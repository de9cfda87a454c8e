"""The page of a report: one file that needs no other, and no network."""

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources
from typing import Any

from launch.reporting import codebooks, curves, figures, paper, preferences, samples, sweeps, tables
from launch.reporting.entries import Entry
from launch.reporting.markup import fold, text, url
from launch.reporting.published import TABLES
from launch.reporting.samples import Shelf
from launch.reporting.tables import Table
from xdancer_jax import paths


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of the page. id: its place in it. content: HTML."""

    id: str
    title: str
    content: str


@dataclasses.dataclass(frozen=True)
class Contents:
    """What a report is made of.

    Attributes:
      entries: runs, and figures of other systems.
      sweeps: by the name of each, its trials and its finished rows.
      dances: folders of dances, see samples.listed.
      clips: of each folder that are shown, from its first.
      megabytes: of videos and pictures that the page may hold.
      studies: folders of user studies.
      first: sections before all others, with the tables in them.
    """

    entries: Sequence[Entry]
    sweeps: Mapping[str, tuple[Sequence[Any], sweeps.Rows]]
    dances: Sequence[Any]
    clips: int
    megabytes: float
    studies: Sequence[str] = ()
    first: Sequence[tuple[Section, Sequence[Table]]] = ()

    def swept(self) -> list[Entry]:
        """The finished runs of all sweeps."""
        return [entry for _, rows in self.sweeps.values() for row in rows.values() for entry in row]


def build(contents: Contents) -> tuple[str, list[Table]]:
    """The page, and every table in it, for their files. Raises ValueError for a damaged file, which it names."""
    shelf = Shelf(contents.megabytes)
    shown = [*contents.entries, *contents.swept()]
    lines = [paper.line(entry) for entry in contents.entries]
    lines += [each for name, (_, rows) in contents.sweeps.items() for each in sweeps.lines(name, rows)]
    published = [paper.table(each, lines) for each in TABLES] if shown else []
    swept = {name: sweeps.tables(name, rows) for name, (_, rows) in contents.sweeps.items()}
    codebook, asked = codebooks.table(shown), preferences.tables(contents.studies)
    overview, everything = figures.overview(shown), [figures.of_entry(entry) for entry in contents.entries]
    everything = [each for each in everything if each.rows]
    sections = [
        *(section for section, _ in contents.first),
        Section("runs", "What is shown", _table(overview) if overview.rows else ""),
        Section("paper", "The paper's tables", "".join(map(_titled, published))),
        Section("studies", "User studies", "".join(map(_titled, asked))),
        Section("sweeps", "Sweeps", "".join(_swept(contents, swept))),
        Section("curves", "Learning curves", _curves(contents)),
        Section("samples", "Samples", "".join(_samples(contents, shelf))),
        Section("codebooks", "Codebook use", _codebooks(shown, codebook)),
        Section("figures", "All figures", "".join(fold(each.title, _table(each)) for each in everything)),
        Section("protocols", "Protocols in full", "".join(figures.protocols(shown))),
    ]  # fmt: skip
    all_tables = [
        *(table for _, several in contents.first for table in several), *([overview] if overview.rows else []),
        *published, *asked,
        *(table for several in swept.values() for table in several), *([codebook] if codebook else []), *everything,
    ]  # fmt: skip
    rule = " Figures under different protocols, or of different data, are never in one column." if shown else ""
    return _whole([section for section in sections if section.content], shelf, rule), all_tables


def _whole(sections: Sequence[Section], shelf: Shelf, rule: str) -> str:
    source = resources.files("launch.reporting") / "page"
    style, script = (source.joinpath(name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    menu = "".join(f'<li><a href="#{each.id}">{text(each.title)}</a></li>' for each in sections)
    body = "".join(
        f'<section id="{each.id}" aria-labelledby="{each.id}-title"><h2 id="{each.id}-title">{text(each.title)}</h2>'
        f"{each.content}</section>"
        for each in sections
    )
    left = ""
    if shelf.left_out:
        names = ", ".join(shelf.left_out)
        left = f"<p>No room in this page (--megabytes) for {text(names)}</p>"
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><title>X-Dancer report</title>'
        f'<link rel="icon" href="data:,"><style>\n{style}</style></head>\n<body><header><h1>X-Dancer report</h1>'
        f'<p class="quiet">Made on {time.strftime("%Y-%m-%d %H:%M")}.{rule}</p>'
        f'<nav aria-label="Sections"><ul>{menu}</ul></nav></header>\n'
        f"<main>{body}{left}</main>\n<script>\n{script}</script></body></html>\n"
    )


def _table(table: Table) -> str:
    """With its files to take away."""
    links = " ".join(
        f'<a download="{text(table.id)}.{suffix}" href="{url(form(table).encode(), f".{suffix}")}" '
        f'aria-label="{text(table.title)} as {suffix}">{suffix}</a>'
        for suffix, form in tables.FORMS.items()
    )
    return f'{tables.as_html(table)}<p class="files">This table as {links}</p>'


def _titled(table: Table) -> str:
    return f"<h3>{text(table.title)}</h3>{_table(table)}"


def _charts(named: Any) -> str:
    drawn = [f"<figure><h3>{text(label)}</h3>{chart}</figure>" for label, chart in named if chart]
    return f'<div class="charts">{"".join(drawn)}</div>' if drawn else ""


def _curves(contents: Contents) -> str:
    """Those of sweeps, which may be many, are folded."""
    own, swept = (
        _charts((entry.label, curves.chart(entry.metrics, entry.name)) for entry in several)
        for several in (contents.entries, contents.swept())
    )  # fmt: skip
    return own + (fold("Runs of sweeps", swept, opened=not own) if swept else "")


def _swept(contents: Contents, swept: Mapping[str, Sequence[Table]]) -> Iterator[str]:
    for name, several in swept.items():
        yield f"<p>{text(name)}: {sweeps.told(*contents.sweeps[name])}</p>"
        yield from map(_titled, several)


def _codebooks(shown: Sequence[Entry], table: Table | None) -> str:
    return _charts((entry.label, codebooks.chart(entry)) for entry in shown) + (_table(table) if table else "")


def _samples(contents: Contents, shelf: Shelf) -> Iterator[str]:
    for folder in contents.dances:
        yield f"<h3>{text(paths.at(folder).name)}</h3>"
        yield from samples.all_of([paths.at(folder)], contents.clips, shelf)
    for entry in contents.entries:
        found = list(samples.all_of(entry.clips, contents.clips, shelf))
        if entry.samples:
            newest = entry.samples[-1]
            says = f"{entry.name}, {newest.stem.replace('_', ' ')}, drawn in training: truth beside what was made"
            found.append(f'<div class="players">{samples.picture(newest, shelf, says)}</div>')
        if found:
            yield f"<h3>{text(entry.label)}</h3>" + "".join(found)


__all__ = ["Contents", "Section", "build"]
