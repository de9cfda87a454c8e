"""Serves a study until it is stopped."""

from collections.abc import Iterator
from pathlib import Path

from launch.studies import key as keys
from launch.studies import server
from launch.studies.answer_log import AnswerLog
from xdancer_jax.train import flock

_TOLD = "serves this study; raters can use that one, or stop it first"


def serve(folder: str, host: str, port: int, origin: str | None) -> Iterator[str]:
    """Gives the study in `folder` to raters and adds their answers to answers/served.jsonl. Yields lines to be
    shown, the last one when it listens.

    Raises:
      FileNotFoundError: no study there.
      ValueError: another process serves it; an address that needs an origin.
      OSError: the answers cannot be written, or the port is taken.
    """
    key = keys.load(folder)
    answers = Path(folder) / "answers"
    with flock.alone(answers / "serving.lock", _TOLD):
        log = AnswerLog(answers / "served.jsonl")
        try:
            if log.repaired:
                yield f"{answers / 'served.jsonl'}: a last line that was cut off is taken out ({log.repaired} bytes)"
            running = server.start(key, folder, log, host, port, origin)
            with running:
                here = f"http://{f'[{host}]' if ':' in host else host}:{running.server_address[1]}"
                yield f"raters open {origin or here}/; Ctrl-C ends"
                running.serve_forever()
        finally:
            log.close()


__all__ = ["serve"]
