"""HTML pieces that stand in the page by themselves: safe words, files as data: URLs."""

import base64
import html
from typing import Any, Final

KINDS: Final = {
    ".png": "image/png", ".jpg": "image/jpeg", ".mp4": "video/mp4", ".csv": "text/csv", ".tex": "application/x-tex",
    ".json": "application/json",
}  # fmt: skip


def text(value: Any) -> str:
    """Safe in HTML, whatever names files have."""
    return html.escape(str(value).encode("utf-8", "replace").decode())


def url(content: bytes, suffix: str) -> str:
    """A data: URL of a file's content."""
    return f"data:{KINDS[suffix]};base64,{base64.b64encode(content).decode()}"


def fold(title: str, content: str, opened: bool = False) -> str:
    """What opens by a click or a key."""
    return f"<details{' open' if opened else ''}><summary>{text(title)}</summary>{content}</details>"


__all__ = ["KINDS", "fold", "text", "url"]
