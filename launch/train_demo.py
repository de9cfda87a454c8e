"""The main job end to end on toy data: python -m launch.train_demo [--setting demo|smoke] [--out out/train_demo]

Makes data, trains every stage at tiny size, generates a video for a held-out dancer and song, and measures each stage
on held-out data. Writes dance.mp4, frames.png, curves.png, report.json and report.html, which opens where it can.
"""

import time
from pathlib import Path

from absl import flags

from launch.figures import train_demo_figures, train_demo_steps
from launch.figures.data import Data
from launch.reporting import bars, curves, strips, train_demo, writing
from launch.shell import cli, outputs

_SETTING = flags.DEFINE_enum("setting", "demo", sorted(train_demo_steps.SETTINGS), "Size.")
_OUT = flags.DEFINE_string("out", "out/train_demo", "Where everything goes.")


def main(argv: list[str]) -> None:
    del argv
    began, setting, out = time.perf_counter(), train_demo_steps.SETTINGS[_SETTING.value], Path(_OUT.value)
    outputs.make_folder(_OUT.value)
    train_demo_steps.set_environment()
    job = train_demo_steps.Demo(setting, out)
    job.prepare()
    job.train_and_generate()
    started = time.perf_counter()
    data = Data(str(job.data))
    results, painted = train_demo_figures.measure(setting, out, data)
    workdirs = train_demo_steps.workdirs(setting, out)
    curves.picture(out / "curves.png", workdirs)
    strips.picture(out / "frames.png", strips.beside_truth(painted, data))
    job.seconds["evaluate"] = time.perf_counter() - started
    found = bars.rows(results)
    facts = {
        "setting": _SETTING.value, "seconds": time.perf_counter() - began, "seconds_by_phase": job.seconds,
        "largest_process_gigabytes": job.peak_gigabytes,
    }
    bars.write(out / "report.json", found, results, facts)
    page = train_demo.write(out, workdirs, found)
    print(f"{bars.table(found)}\n{facts['seconds']:.0f} s in all; see {page}")
    writing.show(page)


if __name__ == "__main__":
    cli.run(main)
