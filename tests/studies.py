"""A small study, its answers, and clips for it."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data_pipeline.video_files import write_video
from launch.studies import key as keys
from launch.studies import making, server
from launch.studies.answer_log import AnswerLog
from launch.studies.answers import Answer, checked
from launch.studies.key import Key
from launch.studies.pairing import Compared, Paired
from launch.studies.questions import TIE


def key(names=("one", "two", "three"), systems=("ours", "theirs")) -> Key:
    """Of a study whose clips are no files."""
    items = tuple(Compared(name, tuple(Path(system, f"{name}.mp4") for system in systems), None) for name in names)
    made = making.blinded(Paired(tuple(systems), items, ()), "salt")
    return made._replace(items=[item._replace(sizes={clip: [9, 16] for clip in item.clips}) for item in made.items])


def answer(of: Key, name="one", question="beat", system: int | None = 0, rater="r1", **changes) -> Answer:
    """That `rater` chose the clip of this system, or saw no difference (None)."""
    return checked(record(of, name, question, system, rater, **changes), of)


def record(of: Key, name="one", question="beat", system: int | None = 0, rater="r1", **changes) -> dict:
    """The same as it comes from a page."""
    item = next(item for item in of.items if item.name == name)
    choice = TIE if system is None else next(clip for clip, n in item.clips.items() if n == system)
    return {
        "study": of.study, "rater": rater, "item": item.id, "question": question, "choice": choice,
        "shown": list(item.clips), "at": 1000, "seconds": 12.5, "watched": [1.0] * len(item.clips), **changes,
    }  # fmt: skip


def clips(folder: Path, names=("one", "two", "three"), seconds=0.2, size=(48, 32), sound=True) -> Path:
    """Videos with sound of these names in `folder`, which is made."""
    folder.mkdir(parents=True)
    shade = sum(folder.name.encode()) % 256
    audio = 0.1 * np.sin(np.arange(round(8000 * seconds)) / 3)
    for name in names:
        frames = np.full((round(30 * seconds), *size, 3), shade, np.uint8)
        write_video(folder / f"{name}.mp4", frames, 30, audio if sound else None, 8000)
    return folder


@contextlib.contextmanager
def served(study: Path, port: int = 0, origin: str | None = None) -> Iterator[server.Server]:
    """A server of the study, in threads of this process; afterwards its connections are closed, as where one ends."""
    log = AnswerLog(study / "answers" / "served.jsonl")
    made = server.start(keys.load(str(study)), str(study), log, "127.0.0.1", port, origin)
    made.lines = []  # that it would print
    made.tell = made.lines.append
    sockets, process = [], made.process_request
    made.process_request = lambda request, address: (sockets.append(request), process(request, address))
    thread = threading.Thread(target=made.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield made
    finally:
        made.shutdown()
        thread.join()
        made.server_close()
        for one in sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        log.close()


__all__ = ["answer", "clips", "key", "record", "served"]
