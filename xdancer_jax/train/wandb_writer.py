"""Metrics to Weights & Biases, where that is asked for. Only process 0 writes; no failure of theirs stops training."""

import contextlib
import importlib.util
import logging
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax

from xdancer_jax.train import disk

_log = logging.getLogger(__name__)
_INIT_SECONDS = 30  # for the server to answer at the start
_FINISH_SECONDS = 60  # for what is still to be sent at the end; `wandb sync` sends the rest


def check() -> None:
    """Raises ImportError where wandb is not installed: before long work starts."""
    if importlib.util.find_spec("wandb") is None:
        raise ImportError(
            "wandb is asked for and not installed; pip install wandb (the extra `wandb`), or ask for none"
        )


class WandbWriter:
    """Writes as MetricWriter does (train/writers.py), to one run of theirs however often this one is restarted.

    Their run's id lies in WORKDIR/wandb_id. A step that was sent is not sent again: what is done twice is the same.
    WANDB_MODE, WANDB_API_KEY and so on are read by wandb itself.
    """

    def __init__(self, workdir: str | Path, project: str, name: str, config: Mapping[str, Any]):
        """config: of the run, JSON-able. Raises ImportError where wandb is not installed."""
        check()
        self._run, self._warned = None, False
        if jax.process_index() == 0:
            with self._tried():
                import wandb  # takes a second, and is of use to few

                settings = wandb.Settings(
                    console="off", silent=True, disable_git=True, save_code=False, init_timeout=_INIT_SECONDS,
                    finish_timeout=_FINISH_SECONDS,
                )
                self._run = wandb.init(
                    project=project, name=name, id=_id(Path(workdir)), resume="allow", dir=str(workdir),
                    config=dict(config), settings=settings,
                )

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Sends `metrics` of `step`; several calls for one step add up."""
        if self._run is not None:
            with self._tried():
                if step >= self._run.step:
                    self._run.log(dict(metrics), step=step)

    def flush(self) -> None:
        """Nothing: wandb sends what it has when it has it."""

    def close(self) -> None:
        """Waits until all is sent, for a minute at most."""
        if self._run is not None:
            with self._tried():
                self._run.finish()
            self._run = None

    @contextlib.contextmanager
    def _tried(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # wandb's own, those of its transport and of its settings: there is no list of them
            if not self._warned:
                _log.warning("warning: wandb: metrics could not be sent, training goes on: %s", disk.reason(error))
            self._warned = True


def _id(workdir: Path) -> str:
    """Of the run of theirs that belongs to `workdir`."""
    path = workdir / "wandb_id"
    if not path.exists():
        workdir.mkdir(parents=True, exist_ok=True)
        unfinished = path.with_name("wandb_id.tmp")
        unfinished.write_text(uuid.uuid4().hex[:12] + "\n")
        unfinished.replace(path)
    return path.read_text().strip()


__all__ = ["WandbWriter", "check"]
