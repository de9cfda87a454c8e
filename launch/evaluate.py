"""The figures of a trained run, offline: python -m launch.evaluate --run DIR --data DIR [--out FILE]

DIR is a work directory of any stage. Each figure is printed with the protocol that made it (docs/metrics.md) and
added, with all its constants and what was measured, as a line to FILE (default: DIR/evaluation.jsonl).
"""

import dataclasses

from absl import flags

from launch import stages
from launch.figures.data import Data
from launch.runs import loading
from launch.shell import cli, outputs
from xdancer_jax import paths
from xdancer_jax.evals import protocols

_RUN = flags.DEFINE_string("run", None, "Work directory of a run.")
_DATA = flags.DEFINE_string("data", None, "Prepared data set.")
_SPLIT = flags.DEFINE_string("split", "test", "Split of the data set.")
_CLIPS = flags.DEFINE_integer("clips", 0, "Clips of the split; 0 for all.", lower_bound=0)
_FRAMES = flags.DEFINE_integer("frames", 16, "Frames a clip that the video stage paints.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of everything drawn.", lower_bound=0)
_OUT = flags.DEFINE_string("out", None, "File of results; DIR/evaluation.jsonl if not given.")
flags.mark_flags_as_required(["run", "data"])


def main(argv: list[str]) -> None:
    del argv
    run = loading.load(_RUN.value)
    data = Data(_DATA.value, _SPLIT.value, _CLIPS.value, _FRAMES.value, _SEED.value)
    out = paths.at(_OUT.value or run.workdir / "evaluation.jsonl")
    outputs.check_out(str(out), ".jsonl")
    results = stages.find(run.config.name).figures(run, data)
    print(f"{run.workdir}: stage {run.config.name}, step {run.step}, {_DATA.value} {_SPLIT.value}")
    for result in results:
        for name, value in result.values.items():
            print(f"  {result.protocol:<24} {name:<28} {value:.4f}")
    source = {"run": str(run.workdir), "step": run.step, **dataclasses.asdict(data)}
    for result in results:
        protocols.append(out, dataclasses.replace(result, source=source))
    print(out)


if __name__ == "__main__":
    cli.run(main)
