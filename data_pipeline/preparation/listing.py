"""The files to prepare: a folder's, a pattern's, or those of a list or table; one line for what cannot be."""

import csv
import glob
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

VIDEOS: Final = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".3gp")
_AIST: Final = re.compile(r"g\w\w_s\w\w_c\w+_(?P<performer>d\d\d)_(?P<song>m\w\w\d)_ch\d\d.*")  # names of AIST's videos


class Source(NamedTuple):
    """id: unique. path: whole. columns: what a table, or a name of AIST, says of it."""

    id: str
    path: str
    columns: Mapping[str, str]


def find(where: str, suffixes: Collection[str], folders: bool = False) -> list[Source]:
    """The files that `where` names, by their names sorted: FILE, FOLDER (with all below it), "PATTERN*" (** for any
    depth), LIST.txt with a path a line, or TABLE.csv with a column "file" and any others, among which "id", "song",
    "performer", "split" and "music" (a sound file in place of the video's own) have a meaning. Paths in lists and
    tables may be relative to them.

    suffixes: of the files to take from a folder or pattern. folders: a folder of nothing but .json files is one file.

    Raises:
        FileNotFoundError: nothing there.
        ValueError: no file of these kinds, two of one id, a name that is not UTF-8, a link that leads out of the
            folder, a table without "file".
        OSError: a folder that cannot be read.
    """
    path = Path(where)
    if path.suffix.lower() == ".csv":
        found = list(_table(path))
    elif path.suffix.lower() == ".txt":
        lines = (line.strip() for line in _text(path).splitlines())
        found = [Source("", str(path.parent / line), {}) for line in lines if line and not line.startswith("#")]
    elif path.is_dir() and not (folders and _is_record(path)):
        found = [Source("", str(file), {}) for file in _below(path, suffixes, folders)]
    elif path.exists():
        found = [Source("", where, {})]
    else:
        matches = sorted(glob.glob(where, recursive=True))
        found = [Source("", file, {}) for file in matches if folders or Path(file).suffix.lower() in suffixes]
        if not matches:
            raise FileNotFoundError(f"{where}: no such file, folder or pattern that matches one")
    if not found:
        raise ValueError(f"{where}: no files to prepare; known are {', '.join(sorted(suffixes))}")
    return _unique(_named(source) for source in found)


def beside(folder: str, name: str, suffixes: Sequence[str]) -> Path:
    """The file NAME with one of the suffixes in a folder. Raises FileNotFoundError where there is none."""
    found = [path for suffix in suffixes if (path := Path(folder, name + suffix)).is_file()]
    if not found:
        raise FileNotFoundError(f"{Path(folder, name)}: no such file with the suffix {' or '.join(suffixes)}")
    return found[0]


def _named(source: Source) -> Source:
    """With an id, and with what a name of AIST says."""
    known = _AIST.fullmatch(Path(source.path).stem)
    return Source(source.id or _id(source.path), source.path, (known.groupdict() if known else {}) | source.columns)


def _id(path: str) -> str:
    name = Path(re.sub(r":\d+x\d+:[\d.]+$", "", path)).name
    return name if Path(name).suffix.lower() not in (*VIDEOS, ".npz", ".json", ".pkl", ".bvh", ".csv", ".npy") else (
        Path(name).stem
    )


def _unique(sources: Iterator[Source]) -> list[Source]:
    found: dict[str, Source] = {}
    for source in sources:
        _check_text(source.path)
        other = found.setdefault(source.id, source)
        if other is not source:
            raise ValueError(
                f"{source.path} and {other.path}: both have the id {source.id!r}; rename one, or give ids in a table"
            )
    return sorted(found.values())


def _below(folder: Path, suffixes: Collection[str], folders: bool) -> Iterator[Path]:
    """Files of the folder and the folders in it; hidden ones are left out."""
    root = folder.resolve()
    for where, names, files in os.walk(folder, onerror=_refuse):
        names[:] = sorted(name for name in names if not name.startswith("."))
        for name in names:  # links among them are not followed: what is inside is found where it lies
            _check_inside(Path(where, name), folder, root)
        if folders:
            records = [name for name in names if _is_record(Path(where, name))]
            yield from (Path(where, name) for name in records)
            names[:] = [name for name in names if name not in records]
        for name in sorted(files):
            path = Path(where, name)
            if path.suffix.lower() in suffixes and not name.startswith("."):
                _check_inside(path, folder, root)
                yield path


def _check_inside(path: Path, folder: Path, root: Path) -> None:
    if path.is_symlink() and not path.resolve().is_relative_to(root):
        raise ValueError(f"{path}: a link that leads out of {folder}; name its target in a list instead")


def _check_text(path: str) -> None:
    """Names go into texts: of records, tables and JSON."""
    try:
        path.encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(path).decode(errors="backslashreplace")
        raise ValueError(f"{shown}: its name is not UTF-8; rename it") from error


def _refuse(error: OSError) -> None:
    """os.walk leaves out what it cannot read."""
    raise error


def _is_record(folder: Path) -> bool:
    """Whether a folder is a clip's, OpenPose's: files of .json alone."""
    files = [file for file in folder.iterdir() if not file.name.startswith(".")]
    return bool(files) and all(file.suffix.lower() == ".json" and "keypoints" in file.name for file in files)


def _text(path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: not a text in UTF-8; save it as one") from error


def _table(path: Path) -> Iterator[Source]:
    rows = csv.DictReader(_text(path).splitlines())
    if "file" not in (rows.fieldnames or ()):
        raise ValueError(f'{path}: a table needs a column "file"; it has {", ".join(rows.fieldnames or ("nothing",))}')
    for number, row in enumerate(rows, 2):
        columns = {name: value.strip() for name, value in row.items() if name and isinstance(value, str)}
        columns = {name: value for name, value in columns.items() if value}
        if None in row or "file" not in columns:
            raise ValueError(f"{path}: line {number} has no file, or more cells than the header")
        if "music" in columns:
            columns["music"] = str(path.parent / columns["music"])
        yield Source(columns.pop("id", ""), str(path.parent / columns.pop("file")), columns)


__all__ = ["VIDEOS", "Source", "beside", "find"]
