"""The main job end to end on toy data: python -m launch.demo [--setting demo|smoke] [--out out/demo]

Makes data, trains every stage at tiny size, generates a video for a held-out dancer and song, and measures each stage
on held-out data. Writes dance.mp4, frames.png, curves.png and report.json.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from absl import flags

from launch import stages
from launch.figures import demo_steps, report, videos
from launch.figures.data import Data
from launch.runs import loading
from launch.shell import cli, outputs
from xdancer_jax.evals.protocols import Result

_SETTING = flags.DEFINE_enum("setting", "demo", sorted(demo_steps.SETTINGS), "Size.")
_OUT = flags.DEFINE_string("out", "out/demo", "Where everything goes.")


def main(argv: list[str]) -> None:
    del argv
    began, setting, out = time.perf_counter(), demo_steps.SETTINGS[_SETTING.value], Path(_OUT.value)
    outputs.make_folder(_OUT.value)
    demo_steps.set_environment()
    job = demo_steps.Demo(setting, out)
    job.prepare()
    job.train_and_generate()
    started = time.perf_counter()
    data = Data(str(job.data))
    names = ["tokenizer", "tokenizer_single_part", "motion", "autoencoder"]
    results = {name: _figures(out / name, data) for name in names}
    paintings = demo_steps.video_runs(setting)
    with ThreadPoolExecutor(2) as pool:  # most of it compiles, on one core each
        clips = pool.map(lambda name: videos.self_driven(loading.load(out / name), data), paintings)
        painted = dict(zip(paintings, clips, strict=True))
    results |= {name: videos.video_figures(clips) for name, clips in painted.items()}
    report.curves(out / "curves.png", demo_steps.workdirs(setting, out))
    report.strips(out / "frames.png", report.beside_truth(painted, data))
    job.seconds["evaluate"] = time.perf_counter() - started
    found = report.rows(results)
    facts = {
        "setting": _SETTING.value, "seconds": time.perf_counter() - began, "seconds_by_phase": job.seconds,
        "largest_process_gigabytes": job.peak_gigabytes,
    }
    report.write(out / "report.json", found, results, facts)
    print(f"{report.table(found)}\n{facts['seconds']:.0f} s in all; see {out}/dance.mp4, frames.png, curves.png")


def _figures(workdir: Path, data: Data) -> list[Result]:
    run = loading.load(workdir)
    return stages.find(run.config.name).figures(run, data)


if __name__ == "__main__":
    cli.run(main)
