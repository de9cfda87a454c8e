"""A drawn dancer dances, within two minutes and without a download; a photo of yours as a skeleton does, too:

    python -m launch.demo [--out out/demo] [--setting demo|smoke] [--seed N]
    python -m launch.demo --photo PHOTO --song SONG [--pose FILE | --pose_weights DIR | ...]

The small model that comes with the project (docs/toy_model.md) paints a drawn dancer, who dances to a song; it has seen
neither. With a photo and a song of yours their dance is made as well, as a skeleton beside the photo. Writes dance.mp4,
dance.webp, yours.mp4, the files they were made of, and report.html, which opens where there is a screen.
"""

import resource
import time
from pathlib import Path

from absl import flags

from launch.making import demo, estimator_flags
from launch.reporting import demo as page
from launch.reporting import writing
from launch.runs import shipped
from launch.shell import cli, outputs

_SECONDS = {"demo": 10.0, "smoke": 2.0}  # of each dance
_PHOTO = flags.DEFINE_string("photo", None, "Photo of a person, full body.")
_SONG = flags.DEFINE_string("song", None, "Song that this person dances to; any file that FFmpeg decodes.")
_POSE = flags.DEFINE_string("pose", None, "Pose file of the photo instead of the estimator (docs/data.md).")
_OUT = flags.DEFINE_string("out", "out/demo", "Where everything goes.")
_SETTING = flags.DEFINE_enum("setting", "demo", sorted(_SECONDS), "Seconds of dance: demo 10, smoke 2.")
_SEED = flags.DEFINE_integer("seed", 0, "Another seed, another dance.", lower_bound=0)
flags.adopt_module_key_flags(estimator_flags)


def main(argv: list[str]) -> None:
    del argv
    began, out, seconds = time.perf_counter(), Path(_OUT.value), _SECONDS[_SETTING.value]
    if (_PHOTO.value is None) != (_SONG.value is None) or (_POSE.value and not _PHOTO.value):
        raise ValueError("--photo and --song go together, and --pose with them")
    outputs.make_folder(_OUT.value)
    model = demo.load(shipped.folder())
    given = (_PHOTO.value, _SONG.value, _POSE.value)
    yours = demo.read(model, *given, estimator_flags.estimator) if _PHOTO.value else None
    print(*demo.make(model, out, seconds, _SEED.value), sep="\n")
    if yours is not None:
        print(*demo.make_yours(model, yours, out, seconds, _SEED.value), page.TOY, sep="\n")
    report = page.write(out, out / demo.DANCE, out / demo.YOURS if yours else None, shipped.figures())
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{time.perf_counter() - began:.0f} s in all, {memory:.1f} GB at most; see {report}")
    writing.show(report)


if __name__ == "__main__":
    cli.run(main)
