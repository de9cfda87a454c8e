"""Where metrics go: metrics.jsonl, TensorBoard, and a line or bar on stderr. Only process 0 writes."""

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import jax
import tqdm
from tensorboardX import SummaryWriter


class MetricWriter:
    """Writes scalars to workdir/metrics.jsonl, a flushed line a step, and to workdir/tensorboard."""

    def __init__(self, workdir: str | Path, start_step: int):
        """Continues a run restored at `start_step`: what was written of later steps is dropped."""
        self._file = self._tensorboard = None
        if jax.process_index() == 0:
            path = Path(workdir) / "metrics.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            truncate(path, start_step)
            self._file = path.open("a")
            self._tensorboard = SummaryWriter(str(path.parent / "tensorboard"), purge_step=start_step + 1)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._tensorboard.close()

    def write(self, step: int, metrics: Mapping[str, float]) -> None:
        """Appends {"step": step, **metrics}."""
        if self._file is None:
            return
        self._file.write(json.dumps({"step": step, **metrics}) + "\n")
        self._file.flush()
        for name, value in metrics.items():
            self._tensorboard.add_scalar(name, value, step)


def truncate(path: Path, last_step: int) -> None:
    """Drops the lines of `path` after `last_step`, and a last line that was cut short; no file is no error.

    Raises ValueError, which names the file, for lines that are no metrics.
    """
    if not path.exists():
        return
    lines = path.read_text().splitlines(keepends=True)
    whole = [line for line in lines if line.endswith("\n")]
    try:
        kept = [line for line in whole if json.loads(line)["step"] <= last_step]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path}: not the metrics of a run ({error!r}); move it away to go on") from error
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text("".join(kept))
    os.replace(unfinished, path)


class Progress:
    """A bar on a terminal, else a line every `log_every` steps, on stderr."""

    def __init__(self, name: str, start_step: int, steps: int, log_every: int):
        self._name, self._steps, self._log_every = name, steps, log_every
        self._silent = jax.process_index() != 0
        self._bar = None
        if not self._silent and sys.stderr.isatty():
            self._bar = tqdm.tqdm(initial=start_step, total=steps, desc=name, unit="step", dynamic_ncols=True)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self, step: int, metrics: Mapping[str, float], step_seconds: float, examples: int) -> None:
        """Shows `step` (1 for the first) with its losses and speed; `examples` is the global batch size."""
        if self._silent:
            return
        if self._bar is not None:
            self._bar.update()
        if step % self._log_every and step != self._steps:
            return
        losses = {name: f"{value:.4g}" for name, value in metrics.items() if "loss" in name}
        speed = {"step": f"{1000 * step_seconds:.1f}ms", "examples/s": f"{examples / max(step_seconds, 1e-9):.1f}"}
        if self._bar is not None:
            self._bar.set_postfix(losses | speed)
        else:
            shown = " ".join(f"{name}={value}" for name, value in (losses | speed).items())
            print(f"{self._name} {step}/{self._steps} {shown}", file=sys.stderr, flush=True)
