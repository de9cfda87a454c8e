"""The demo's report: figures beside their bars, loss curves, frames beside the truth."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from PIL import Image

from data_pipeline import poses
from data_pipeline.files import write_atomically
from launch.figures.data import Data
from xdancer_jax.evals.protocols import Result
from xdancer_jax.train import metrics


@dataclasses.dataclass(frozen=True)
class Row:
    """A learned figure and what it must beat."""

    figure: str
    value: float
    sign: str
    bar: float
    protocol: str

    @property
    def reached(self) -> bool:
        return bool(self.value <= self.bar) if self.sign == "<=" else bool(self.value >= self.bar)


def rows(results: Mapping[str, Sequence[Result]]) -> list[Row]:
    """The bars of the demo, from the results of each run by its name."""
    multi, codebook, *_ = results["tokenizer"]
    single = results["tokenizer_single_part"][0]
    alignment = results["motion"][0]
    used = min(value for name, value in codebook.values.items() if name.endswith("/used"))
    error = "full_body"
    table = [
        Row("tokenizer pose L1 / mean pose", multi.values[f"{error}/ratio"], "<=", 0.15, multi.protocol),
        Row("pose L1, multi-part / single-part", multi.values[error] / single.values[error], "<=", 1.0, multi.protocol),
        Row("codebook use, least used part", used, ">=", 0.5, codebook.protocol),
        Row("beats, way from chance to truth", alignment.values["fraction"], ">=", 0.5, alignment.protocol),
    ]
    for name, label in (("video", "motion decoder"), ("video_guider", "pose guider (appearance phase)")):
        if name in results:
            psnr = results[name][0]
            gain = psnr.values["score"] - psnr.values["repeat_photo"]
            table.append(Row(f"video PSNR over the photo, {label}, dB", gain, ">=", 1.5, psnr.protocol))
    return table


def table(found: Sequence[Row]) -> str:
    """One line a figure."""
    width = max(len(row.figure) for row in found)
    lines = [
        f"{row.figure:<{width}}  {row.value:8.3f}  must be {row.sign} {row.bar:<5g} "
        f"{'reached' if row.reached else 'NOT REACHED':<11}  {row.protocol}"
        for row in found
    ]
    return "\n".join(lines)


def write(path: Path, found: Sequence[Row], results: Mapping[str, Sequence[Result]], facts: Mapping[str, Any]) -> None:
    """report.json: the table, every result with its protocol's constants, and `facts` about the run."""
    content = {
        "figures": [dataclasses.asdict(row) | {"reached": row.reached} for row in found],
        **facts,
        "results": {name: [json.loads(result.as_json()) for result in of] for name, of in results.items()},
    }
    write_atomically(path, (json.dumps(content, indent=2) + "\n").encode())


def curves(path: Path, workdirs: Sequence[Path]) -> None:
    """The training loss of every run against its steps."""
    matplotlib.use("agg")
    from matplotlib import pyplot

    columns = 3
    count = -(-len(workdirs) // columns)
    figure, axes = pyplot.subplots(count, columns, figsize=(4 * columns, 2.6 * count), squeeze=False)
    for axis, workdir in zip(axes.flat, workdirs, strict=False):
        lines = metrics.read(workdir)
        points = [(line["step"], line["loss"]) for line in lines if "loss" in line]
        axis.plot(*zip(*points, strict=True))
        axis.set(title=workdir.name, xlabel="step", ylabel="loss", yscale="log")
    for axis in axes.flat[len(workdirs) :]:
        axis.set_axis_off()
    figure.tight_layout()
    figure.savefig(path, dpi=100)
    pyplot.close(figure)


def strips(path: Path, clips: Sequence[Sequence[np.ndarray]], every: int = 2, scale: int = 2) -> None:
    """One picture: for each clip its strips (F, H, W, 3) uint8 one below the other, every `every`-th frame."""
    grids = [np.concatenate([np.concatenate(strip[::every], axis=1) for strip in clip]) for clip in clips]
    picture = Image.fromarray(np.concatenate(grids))
    picture.resize((picture.width * scale, picture.height * scale), Image.Resampling.NEAREST).save(path)


def beside_truth(painted: Mapping[str, Sequence[tuple]], data: Data, clips: int = 3) -> list[list[np.ndarray]]:
    """Strips of the first `clips` clips: truth, skeletons, and what each run painted (videos.self_driven)."""
    found = []
    for i, record in enumerate(data.records(["poses"])[:clips]):
        columns = [of[i] for of in painted.values()]
        target = columns[0][1]
        start = (len(record["poses"]) - data.frames) // 2
        skeletons = poses.draw(record["poses"][start : start + data.frames], *target.shape[1:3])
        found.append([target, skeletons, *(frames for frames, _, _ in columns)])
    return found
