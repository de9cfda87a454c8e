"""One page about runs and sweeps: python -m launch.report --run DIR [--run DIR ...] [--sweep DIR ...] --out report.html

The page opens from disk and needs nothing else: the paper's tables 1 to 4 with our figures beside the published ones,
learning curves, clips that play beside the truth, beats on a time line, codebook use, every protocol, sweeps with
intervals. Beside it, in report_tables/, lies every table as CSV, LaTeX and JSON.

A run is a work directory that launch.evaluate has measured, or what launch.evaluate --from_videos wrote of another
system's clips. --study DIR shows what the raters of launch.study chose, --dances DIR what launch.generate or
launch.choreograph made. docs/report.md.
"""

from pathlib import Path

from absl import flags

from launch.reporting import writing
from launch.shell import cli, outputs

_RUN = flags.DEFINE_multi_string("run", [], "Work directory of a run, or figures of another system's clips.")
_SWEEP = flags.DEFINE_multi_string("sweep", [], "Folder of a sweep.")
_STUDY = flags.DEFINE_multi_string("study", [], "Folder of a user study with answers (launch.study).")
_DANCES = flags.DEFINE_multi_string("dances", [], "Folder of generated dances, NAME.mp4 and NAME.npz.")
_OUT = flags.DEFINE_string("out", None, "The page, such as report.html.")
_CLIPS = flags.DEFINE_integer("clips", 4, "Clips that are shown of each folder.", lower_bound=0)
_MEGABYTES = flags.DEFINE_float("megabytes", 60.0, "Of videos and pictures that the page may hold.", lower_bound=0)
flags.mark_flags_as_required(["out"])


def main(argv: list[str]) -> None:
    del argv
    outputs.check_out(_OUT.value, ".html")
    contents = writing.gather(_RUN.value, _SWEEP.value, _DANCES.value, _CLIPS.value, _MEGABYTES.value, _STUDY.value)
    print(writing.write(Path(_OUT.value), contents)[0])


if __name__ == "__main__":
    cli.run(main, computes=False)
