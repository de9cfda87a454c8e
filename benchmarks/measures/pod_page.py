"""docs/pods.md from the plans of benchmarks.pods."""

from collections.abc import Sequence
from typing import Any, Final

Figures = dict[str, Any]
_HEAD: Final = (
    "slice", "devices", "batch", "mesh", "state", "temporaries", "left", "TFLOP a device", "step at 45%",
    "days of the paper's examples", "how",
)
_INTRODUCTION: Final = """\
# Training on TPU slices, before one is there

Made by `make pods` from docs/pods.json; {dates}, {versions}. bfloat16 over float32 weights.
No TPU has run any of it. A compiled row is what the compiler says of the trainer's own step; a counted row has what
follows from shapes alone, so that its temporaries are not known: it fits but for them. "state": weights, moments,
frozen weights and batch of one device. "left": of its memory. A step takes its model FLOPs at 45% of the peak of its
devices; memory and network are not in it. "days": of the steps times the batch of the paper's config, whatever the
row's batch. On tpu7x a chip is two devices. "how": minutes and memory of the host that compiled; O1: with the
compiler's effort of this name (launch.compile --effort). Video with its frozen parts computed beforehand
(launch.precompute).
"""


def page(rows: Sequence[Figures]) -> str:
    """Raises ValueError without rows."""
    dates = sorted({row["date"] for row in rows})
    if not dates:
        raise ValueError("no row is planned yet, and --compile=False leaves out what is compiled")
    versions = sorted({f"jax {row['jax']}, libtpu {row.get('libtpu', 'none')}" for row in rows})
    told = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    lines = [_INTRODUCTION.format(dates=told, versions="; ".join(versions))]
    for variant in dict.fromkeys(row["variant"] for row in rows):
        own = [row for row in rows if row["variant"] == variant]
        lines += [f"## {variant}", "", f"| {' | '.join(_HEAD)} |", f"|{'---|' * len(_HEAD)}"]
        lines += [f"| {' | '.join(_cells(row))} |" for row in own]
        lines += ["", *_scaling([row for row in own if "collectives" in row])]
    return "\n".join(lines).rstrip() + "\n"


def _cells(row: Figures) -> tuple[str, ...]:
    state = sum(row["bytes_a_device"].values())
    left = (row["limit"] - row.get("total", state)) / 1e9
    step, days = (list(row[name].values())[-1] for name in ("step_seconds", "days_of_the_paper"))
    return (
        row["topology"], str(row["devices"]), str(row["batch_size"]),
        " ".join(f"{name}={size}" for name, size in row["mesh"].items() if size > 1), f"{state / 1e9:.2f} GB",
        f"{row['temporaries'] / 1e9:.2f} GB" if "temporaries" in row else "",
        f"{'' if row['fits'] else '**does not fit** '}{left:.1f} of {row['limit'] / 1e9:.1f} GB",
        f"{row['model_flops'] / row['devices'] / 1e12:.4g}", f"{step:.3f} s", f"{days:.3g}", _how(row),
    )  # fmt: skip


def _how(row: Figures) -> str:
    if "compile_seconds" not in row:
        return "counted"
    effort = f" {row['effort']}" if row.get("effort") else ""
    return f"compiled{effort}, {row['compile_seconds'] / 60:.0f} min, {row['host_bytes'] / 1e9:.1f} GB"


def _scaling(compiled: Sequence[Figures]) -> list[str]:
    """What devices send, and how little FLOPs of a device change from a kind's smallest slice to its largest."""
    lines = []
    for row in compiled:
        sent = sorted(row["collective_bytes_sent"].items(), key=lambda item: -item[1])
        told = "; ".join(f"{name} {size / 1e9:.2f} GB ({row['collectives'][name]})" for name, size in sent)
        lines.append(f"- {row['topology']}, sent by a device in a step (arrays; in a loop counted once): {told}")
    for kind in dict.fromkeys(row["topology"].split(":")[0] for row in compiled):
        own = [row for row in compiled if row["topology"].startswith(f"{kind}:")]
        flops = [row["model_flops"] / row["devices"] for row in own]
        if len(own) > 1:
            lines.append(
                f"- Weak scaling on {kind}: FLOPs a device differ by {max(flops) / min(flops) - 1:.2%} between "
                f"{own[0]['devices']} and {own[-1]['devices']} devices."
            )
    return [*lines, ""] if lines else []


__all__ = ["page"]
