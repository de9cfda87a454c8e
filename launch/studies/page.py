"""The page that raters see: index.html, which holds what is asked as data, and the scripts and style beside it."""

import json
from importlib import resources
from pathlib import Path
from typing import Final

from data_pipeline.files import write_atomically
from launch.studies.key import Key
from launch.studies.questions import TIE

PARTS: Final = {
    "index.html": "text/html", "keeping.js": "text/javascript", "study.js": "text/javascript", "study.css": "text/css",
}  # fmt: skip


def write(key: Key, folder: Path) -> None:
    """Writes the files of PARTS into `folder`."""
    source = resources.files("launch.studies") / "page"
    for name in PARTS:
        text = (source / name).read_text(encoding="utf-8")
        if name == "index.html":
            text = text.replace("{{STUDY}}", _data(key))
        write_atomically(folder / name, text.encode())


def _data(key: Key) -> str:
    """What the script reads. Clips stand in the order of their random names; nothing else is known of them."""
    questions = [{"id": name, "text": text} for name, text in key.questions.items()]
    items = [
        {"id": item.id, "photo": item.photo, "clips": [
            {"id": clip, "width": item.sizes[clip][0], "height": item.sizes[clip][1]} for clip in sorted(item.clips)
        ]}
        for item in key.items
    ]  # fmt: skip
    data = {"study": key.study, "tie": TIE, "questions": questions, "items": items}
    return json.dumps(data, ensure_ascii=False).replace("<", "\\u003c")  # lest a text end the script element


__all__ = ["PARTS", "write"]
