"""A report's files: the page, and beside it a folder with every table as CSV, LaTeX and JSON."""

import dataclasses
import os
import re
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from pathlib import Path

from data_pipeline import files
from launch.reporting import entries, page, samples, sweeps, tables
from xdancer_jax import paths


def gather(
    runs: Sequence[str], swept: Sequence[str], dances: Sequence[str], clips: int, megabytes: float,
    studies: Sequence[str] = (),
) -> page.Contents:
    """What stands in the folders of runs, sweeps, dances and user studies.

    Raises:
      ValueError: nothing is given, or something twice; a folder that is none of these; a damaged file; figures of
        different data. It names the folder or file.
      FileNotFoundError: a folder of dances that is not there, or holds none.
    """
    if not [*runs, *swept, *dances, *studies]:
        raise ValueError("nothing to report of: give --run, --sweep, --study or --dances")
    for flag, given in (("run", runs), ("sweep", swept), ("dances", dances), ("study", studies)):
        places = [str(paths.at(each)).rstrip("/") for each in given]
        if twice := [place for place in places if places.count(place) > 1]:
            raise ValueError(f"--{flag}={twice[0]} is given twice; give it once")
    for folder in dances:
        files.check_here(folder)
        if not Path(folder).exists() or not samples.listed(paths.at(folder)):
            raise FileNotFoundError(f"--dances={folder}: neither a folder with NAME.mp4 or NAME.npz nor one of these")
    found = [entries.read(run) for run in runs]
    sweep = {paths.at(each).name: sweeps.entries(each) for each in swept}
    contents = page.Contents(_told_apart(found), sweep, dances, clips, megabytes, studies)
    entries.check_alike([*found, *contents.swept()])
    return contents


def _told_apart(found: Sequence[entries.Entry]) -> list[entries.Entry]:
    """Entries of one name get that of the folder above as well."""
    names = [entry.name for entry in found]
    return [
        dataclasses.replace(entry, name=f"{entry.folder.parent.name}/{entry.name}")
        if names.count(entry.name) > 1 else entry for entry in found
    ]  # fmt: skip


def write(out: Path, contents: page.Contents) -> list[Path]:
    """Writes the page `out` and its tables, each whole or not at all, and returns where they lie, the page first.

    Raises OSError where they cannot be written, ValueError for a damaged file.
    """
    html, found = page.build(contents)
    folder = out.with_name(f"{out.stem}_tables")
    folder.mkdir(exist_ok=True)
    written = []
    for table in found:
        for suffix, form in tables.FORMS.items():
            path = folder / f"{file_name(table.id)}.{suffix}"
            files.write_atomically(path, form(table).encode())
            written.append(path)
    files.write_atomically(out, html.encode())
    return [out, *written]


def show(path: Path, environment: Mapping[str, str] = os.environ) -> bool:
    """Opens the page in a browser where somebody sits before one: a terminal and a screen. Whether it did."""
    screen = sys.platform in ("darwin", "win32") or bool({"DISPLAY", "WAYLAND_DISPLAY"} & environment.keys())
    return bool(screen and sys.stdout.isatty() and webbrowser.open(path.resolve().as_uri()))


def file_name(name: str) -> str:
    """Of letters that every file system takes."""
    return re.sub(r"[^\w.=,+-]+", "_", name, flags=re.ASCII)[:120]


__all__ = ["file_name", "gather", "show", "write"]
