"""Sampling of the video stage: how close solvers come in few steps; long clips at tiny size.

    python -m benchmarks.diffusion --out FILE.json [--what solvers --what long] [--seconds 10 --seconds 60]

"solvers": an exactly known denoiser, distance from DDIM in 999 steps. "long": video:tiny_motion of random weights with
--steps (4) denoising steps, seconds a frame, the process's peak of memory by length, and the difference of neighbouring
frames where windows meet over that elsewhere, with and without ramps and shifts.
"""

import json
from pathlib import Path

from absl import flags

from benchmarks.measures import long_video, solver_distance
from benchmarks.training_flags import OUT, STEPS
from data_pipeline.files import write_atomically
from launch.shell import cli, outputs

_WHAT = flags.DEFINE_multi_enum("what", ["solvers", "long"], ["solvers", "long"], "Part. Once for each.")
_SECONDS = flags.DEFINE_multi_float("seconds", [10.0, 60.0], "Lengths of clips.", lower_bound=1.0)


def main(argv: list[str]) -> None:
    del argv
    outputs.check_out(OUT.value, ".json")
    found, steps = {}, STEPS.value or 4
    if "solvers" in _WHAT.value:
        found["solvers"] = solver_distance.rows()
    if "long" in _WHAT.value:
        plain = long_video.rows(_SECONDS.value, num_steps=steps)
        found["long"] = {"uniform": plain, "ramp and shift": long_video.rows(
            _SECONDS.value, num_steps=steps, weights="ramp", shift=True
        )}
    text = json.dumps(found, indent=2)
    write_atomically(Path(OUT.value), (text + "\n").encode())
    print(text)


if __name__ == "__main__":
    cli.run(main)
