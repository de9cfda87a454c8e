"""What data sets cost: python -m benchmarks.data [--what features,loaders,...] [--out FILE.json]

features: music features on one core, beside librosa called one feature at a time. loaders: examples a second of each
stage's loader, beside a torch DataLoader over a JPEG file a frame (extra parity). preparation: of copies of a video, by
one worker and by two (extra beam), and where the time of one goes. memory: of preparing one long clip, and 4 and 16
short ones. records: what a window reads where a record holds 1, 8 or 32 pictures. preparation and memory find poses by
MediaPipe (extra pose; XDANCER_POSE_WEIGHTS names the folder of its bundles).

Each runs in a process of its own, every library held to one thread. A line each says whether its bar is met.
"""

import json
import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from absl import flags

from benchmarks.measures import loader_speed as loaders
from benchmarks.measures import long_clips, music_speed, picture_records, preparing_speed
from benchmarks.measures.found import ONE_THREAD, Found, of_processes, table
from benchmarks.training_flags import OUT
from data_pipeline.files import existing, write_atomically
from launch.shell import cli, outputs

PARTS = {
    "features": music_speed, "loaders": loaders, "preparation": preparing_speed, "memory": long_clips,
    "records": picture_records,
}

_WHAT = flags.DEFINE_list("what", list(PARTS), f"Which, of {', '.join(PARTS)}.")
_BRIEF = flags.DEFINE_bool("brief", False, "Sizes of a test, whose figures say nothing.")
_SONG = flags.DEFINE_multi_string("song", [], "features: sound file in place of a toy song. Once for each.")
_VIDEO = flags.DEFINE_string("video", "", "preparation, memory: video of a dancer in place of a toy one (.mp4, .mov).")
_COPIES = flags.DEFINE_integer("copies", None, "preparation: copies of the video (40).", lower_bound=2)
_MINUTES = flags.DEFINE_float("minutes", None, "memory: of the long clip (20).", lower_bound=0.05)
_HEIGHT = flags.DEFINE_integer(
    "height", None, "memory: of the long clip's frames, 16:9 (720).", lower_bound=90, upper_bound=4320
)
_POSE_EVERY = flags.DEFINE_integer(
    "pose_every", None, "memory: poses of one frame in so many are found, and held in between (1).", lower_bound=1
)
_REPEATS = flags.DEFINE_integer("repeats", None, "Turns of which the median is taken.", lower_bound=1)


def sizes(what: str, brief: bool, **given: Any) -> Any:
    """Of a part; of `given` what it takes and what is not None."""
    module = PARTS[what]
    chosen = module.BRIEF if brief else module.Sizes()
    return chosen._replace(**{k: v for k, v in given.items() if k in chosen._fields and v is not None})


def measured(what: str, chosen: Any) -> Found:
    """Of one part, in a process of its own."""
    return Found(*of_processes([[PARTS[what].__name__, json.dumps(chosen._asdict())]], ONE_THREAD)[0])


def _frame(height: int | None) -> dict[str, int]:
    """Of 16:9, in even numbers, as H.264 wants them."""
    return {} if height is None else {"height": height - height % 2, "width": 2 * round(height * 8 / 9)}


def main(argv: list[str]) -> None:
    del argv
    unknown = [what for what in _WHAT.value if what not in PARTS]
    if unknown or not _WHAT.value:
        raise ValueError(f"--what={','.join(_WHAT.value)}: choose of {', '.join(PARTS)}")
    if OUT.value:
        outputs.check_out(OUT.value, ".json")
    for file in filter(None, (*_SONG.value, _VIDEO.value)):
        existing(file)
    found: dict[str, Any] = {
        "brief": _BRIEF.value, "python": platform.python_version(), "cores": os.cpu_count(),
        **{name: metadata.version(name) for name in ("numpy", "grain", "array-record", "av", "pillow", "librosa")},
    }
    for what in _WHAT.value:
        chosen = sizes(
            what, _BRIEF.value, songs=tuple(_SONG.value) or None, video=_VIDEO.value or None, copies=_COPIES.value,
            minutes=_MINUTES.value, pose_every=_POSE_EVERY.value, repeats=_REPEATS.value, **_frame(_HEIGHT.value),
        )
        result = measured(what, chosen)
        print(f"{result.line(what)}\n{table(result.figures['rows'])}\n", flush=True)
        found[what] = {"sizes": chosen._asdict(), "bar": result.bar, "met": result.met, **result.figures}
        if OUT.value:
            write_atomically(Path(OUT.value), (json.dumps(found, indent=2) + "\n").encode())


if __name__ == "__main__":
    cli.run(main)
