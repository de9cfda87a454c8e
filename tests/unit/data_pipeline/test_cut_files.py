from types import SimpleNamespace

import pytest

from data_pipeline.cut_files import lost_frames


def _stream(entries=(), frames=0, duration=None, tag=None):
    made = [SimpleNamespace(pos=pos, size=size, is_discard=hidden) for pos, size, hidden in entries]
    container = SimpleNamespace(duration=duration)
    return SimpleNamespace(
        index_entries=made, frames=frames, metadata={"DURATION": tag} if tag else {}, container=container
    )


def _ebml(segment: bytes, rest: int) -> bytes:
    """A header, and a segment with this size field and `rest` bytes after it."""
    return b"\x1a\x45\xdf\xa3\x84abcd\x18\x53\x80\x67" + segment + bytes(rest)


ENTRIES = [(0, 50, False), (50, 50, False), (100, 50, True), (150, 50, False)]


@pytest.mark.parametrize(
    ("content", "stream", "shown", "broken", "lost"),
    [
        (bytes(200), _stream(ENTRIES, frames=4), 3, 0, 0),  # the whole index is there; one frame is hidden by an edit
        (bytes(180), _stream(ENTRIES, frames=4), 2, 1, 1),
        (bytes(80), _stream(ENTRIES, frames=4), 1, 0, 2),
        (bytes(200), _stream(ENTRIES, frames=9, duration=9e6), 3, 0, 0),  # what a container announces is a guess
        (bytes(200), _stream(), 3, 2, 2),
        (_ebml(b"\x88", 8), _stream(tag="00:00:10.0"), 40, 0, 0),
        (_ebml(b"\x89", 8), _stream(tag="00:00:02.000000000"), 40, 0, 40),  # ends a byte early, after 1 of 2 seconds
        (_ebml(b"\x40\x09", 8), _stream(duration=2_000_000), 40, 0, 40),
        (_ebml(b"\x89", 8), _stream(), 40, 0, 1),
        (_ebml(b"\xff", 8), _stream(tag="00:00:02.0"), 40, 0, 0),  # a recording whose length nobody knew
        (_ebml(b"\x01" + b"\xff" * 7, 8), _stream(tag="00:00:02.0"), 40, 0, 0),
        (b"RIFF\x10\0\0\0" + bytes(16), _stream(frames=60), 40, 0, 0),
        (b"RIFF\x10\0\0\0" + bytes(15), _stream(frames=60), 40, 0, 20),
        (b"\x1a\x45\xdf\xa3", _stream(tag="nonsense"), 1, 0, 0),
    ],
)
def test_what_is_surely_lost(tmp_path, content, stream, shown, broken, lost):
    path = tmp_path / "a"
    path.write_bytes(content)
    assert lost_frames(path, stream, shown, 1.0, broken) == lost
