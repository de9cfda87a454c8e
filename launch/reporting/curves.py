"""Learning curves: the loss of a run against its steps, and what its evaluations say of it."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from launch.reporting.drawing import SERIES, svg
from xdancer_jax.train import metrics

Lines = Sequence[Mapping[str, Any]]
_MOST = 400  # points of a curve in the page
_NAMES = {"loss": "training", "eval/loss": "evaluation"}


def points(lines: Lines, name: str) -> list[tuple[int, float]]:
    """(step, value) of every line that has a finite one."""
    return [(line["step"], line[name]) for line in lines if _finite(line.get(name))]


def draw(axes: Any, lines: Lines, title: str = "") -> None:
    """The losses of a run onto the axes."""
    drawn = {name: points(lines, name) for name in _NAMES}
    for (name, found), colour in zip(drawn.items(), SERIES, strict=False):
        if found:
            every = max(1, len(found) // _MOST)
            kept = found[::every] + found[-1:]
            axes.plot(*zip(*kept, strict=True), color=colour, label=_NAMES[name], marker="." if len(kept) < 30 else "")
    positive = all(value > 0 for found in drawn.values() for _, value in found)
    axes.set(title=title, xlabel="step", ylabel="loss", yscale="log" if positive else "linear")
    steps = {step for found in drawn.values() for step, _ in found}
    if len(steps) == 1:
        axes.set_xticks(list(steps))
    else:
        axes.xaxis.get_major_locator().set_params(integer=True)
    if drawn["eval/loss"]:
        axes.legend()


def chart(lines: Lines, name: str) -> str:
    """An <svg> of the run `name`; "" where it has no loss."""
    found = points(lines, "loss")
    if not found:
        return ""
    (first, began), (last, ended) = found[0], found[-1]
    says = f"loss of {name}: {began:.4g} at step {first}, {ended:.4g} at step {last}"
    return svg(lambda axes: draw(axes, lines), says)


def picture(path: Path, workdirs: Sequence[Path]) -> None:
    """One PNG with the training curves of several runs."""
    import matplotlib
    from matplotlib.figure import Figure

    columns = 3
    count = -(-len(workdirs) // columns)
    with matplotlib.rc_context({"font.size": 10}):
        figure = Figure(figsize=(4 * columns, 2.6 * count), layout="constrained")
        axes = figure.subplots(count, columns, squeeze=False)
        for axis, workdir in zip(axes.flat, workdirs, strict=False):
            draw(axis, metrics.read(workdir), workdir.name)
        for axis in axes.flat[len(workdirs) :]:
            axis.set_axis_off()
        figure.savefig(path, dpi=100)


def _finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


__all__ = ["chart", "draw", "picture", "points"]
