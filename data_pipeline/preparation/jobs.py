"""What is to be prepared, a job a file, and what came of it."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from data_pipeline import filters


class Job(NamedTuple):
    """A file to prepare, or a toy clip.

    Attributes:
        id: unique; names the clips.
        path: of the file; "" for a toy clip.
        columns: what is known of it: "song", "performer", "split", "music" and whatever else a table says.
        settings: what decides the content of its clips, in values of JSON.
        limits: of filters.Limits, which decide whether a clip is kept and nothing else; None keeps all.
        models: where the models lie that do it; settings say which they are, by their content.
    """

    id: str
    path: str
    columns: Mapping[str, str]
    settings: Mapping[str, Any]
    limits: Mapping[str, Any] | None = None
    models: Mapping[str, Any] | None = None

    @property
    def files(self) -> list[str]:
        """All that its clips are made from."""
        return [path for path in (self.path, self.columns.get("music"), self.columns.get("features")) if path]

    def key(self, content: str) -> str:
        """Of the job's results: of everything that they depend on, `content` being the digest of the file."""
        known = [self.id, content, dict(self.columns), dict(self.settings)]
        return hashlib.sha256(json.dumps(known, sort_keys=True).encode()).hexdigest()[:32]


@dataclasses.dataclass(frozen=True)
class Made:
    """A clip of a job, or what was measured of one that was dropped.

    Attributes:
        id: of the clip.
        file: name of its prepared file in the cache; "" where it was dropped.
        digest: sha256 of the file.
        sound, sound_digest: likewise the file of its song's sound; "" where there is none.
        frames: at 30 fps.
        start, stop: seconds in the source.
        columns: of the job; song and performer among them.
        scores: of the filters, by name; a number that was not measured is None.
        reasons: why it is dropped whatever the limits of the filters.
        detail: of the first of them, a line.
        confidence: mean by part of the body.
        tempo: beats a minute; None without music.
        size: bytes of its files.
        counts: of oddities, by name.
    """

    id: str
    file: str = ""
    digest: str = ""
    sound: str = ""
    sound_digest: str = ""
    frames: int = 0
    start: float = 0.0
    stop: float = 0.0
    columns: Mapping[str, str] = dataclasses.field(default_factory=dict)
    scores: Mapping[str, float | None] = dataclasses.field(default_factory=dict)
    reasons: tuple[str, ...] = ()
    detail: str = ""
    confidence: Mapping[str, float] = dataclasses.field(default_factory=dict)
    tempo: float | None = None
    size: int = 0
    counts: Mapping[str, int] = dataclasses.field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"reasons": list(self.reasons)}

    def dropped(self, limits: Mapping[str, Any] | None) -> list[str]:
        """Why the clip is not kept; nothing where it is."""
        if limits is None or not self.scores:
            return list(self.reasons)
        return [*self.reasons, *filters.reasons(filters.Scores(**self.scores), filters.Limits(**limits))]

    def lacking(self, limits: Mapping[str, Any] | None) -> bool:
        """Whether it was dropped by other limits, and is to be made after all."""
        return not self.file and not self.dropped(limits)

    @classmethod
    def from_json(cls, known: Mapping[str, Any]) -> "Made":
        return cls(**{**known, "reasons": tuple(known["reasons"])})


class Outcome(NamedTuple):
    """Of a job: its clips, or why it failed, in one line."""

    job: Job
    made: tuple[Made, ...] = ()
    failure: str = ""


# Writes the clips of a job as files into the folder, and tells of them.
Make = Callable[[Job, Path], list[Made]]


__all__ = ["Job", "Made", "Make", "Outcome"]
