"""Many runs of configs, described in one file, trained and evaluated, each once.

    python -m launch.sweep --config configs/tokenizer.py:tiny --sweep configs/sweeps/seeds.py[:NAME] --out DIR
        [--config.data.dir=DATA] [--max_parallel N] [--backend local|slurm|gke|tpu_vm|print]

--config is what every run starts from; a run of the sweep may name another. The same command again skips what is
finished, goes on with what is not, and tries again what failed. Ctrl-C saves what is under way.

    python -m launch.sweep --out DIR --status                     # a line a run; stays on a terminal
    python -m launch.sweep --out DIR --best PROTOCOL/FIGURE       # such as pose_l1_half_height/full_body
    python -m launch.sweep --out DIR --export                     # DIR/table.csv, DIR/table.tex

How to write a sweep, and what each backend does: docs/sweeps.md.
"""

from absl import flags
from ml_collections import config_flags

from launch.shell import cli
from launch.sweeps import backends, looking, sweep_files, trials
from launch.sweeps.state import Measured

_CONFIG = config_flags.DEFINE_config_file("config", None, "configs/STAGE.py:VARIANT.", lock_config=True)
_CLUSTER = config_flags.DEFINE_config_file("cluster", None, "configs/cluster.py:VARIANT.", lock_config=True)
_SWEEP = flags.DEFINE_string("sweep", None, "Sweep file, with :NAME for its sweep_NAME().")
_OUT = flags.DEFINE_string("out", None, "Folder of the sweep: a work directory for each run.")
_BACKEND = flags.DEFINE_enum("backend", "local", backends.BACKENDS, "Where runs go; print shows what each would do.")
_PARALLEL = flags.DEFINE_integer("max_parallel", None, "Runs at once here; one a GPU, or one.", lower_bound=1)
_TRIES = flags.DEFINE_integer("tries", 3, "Of a run that fails, before it is given up.", lower_bound=1)
_BACKOFF = flags.DEFINE_float("backoff", 10.0, "Seconds before the second try; then twice as many.", lower_bound=0)
_CLIPS = flags.DEFINE_integer("clips", 0, "Clips that runs are evaluated on; 0 for all.", lower_bound=0)
_FRAMES = flags.DEFINE_integer("frames", 16, "Frames a clip that the video stage paints for it.", lower_bound=1)
_RENDER = flags.DEFINE_string("render", None, "Write what the backend would be given into this folder.")
_EXECUTE = flags.DEFINE_bool("execute", False, "Run tpu_vm's command; else it is printed.")
_STATUS = flags.DEFINE_bool("status", False, "Show how far each run is.")
_BEST = flags.DEFINE_string("best", None, "Name the run with the best PROTOCOL/FIGURE.")
_BEST_IS = flags.DEFINE_enum("best_is", None, ["smallest", "largest"], "Which is best; known for the leading ones.")
_EXPORT = flags.DEFINE_bool("export", False, "Write the tables.")
flags.mark_flags_as_required(["out"])


def main(argv: list[str]) -> None:
    del argv
    if _STATUS.value or _BEST.value or _EXPORT.value:
        looking.look(_OUT.value, _STATUS.value, _BEST.value, _BEST_IS.value, _EXPORT.value)
        return
    if missing := [name for name in ("config", "sweep") if flags.FLAGS[name].value is None]:
        raise ValueError(f"--{missing[0]} is missing")
    config = flags.FLAGS["config"]
    given = config_flags.get_override_values(config)
    planned = trials.plan(config_flags.get_config_filename(config), given, sweep_files.load(_SWEEP.value))
    backends.start(_BACKEND.value, backends.Order(
        planned, _OUT.value, Measured(_CLIPS.value, _FRAMES.value), _PARALLEL.value, _TRIES.value, _BACKOFF.value,
        _CLUSTER.value, _RENDER.value, _EXECUTE.value,
    ))


if __name__ == "__main__":
    cli.run(main, computes=False)
