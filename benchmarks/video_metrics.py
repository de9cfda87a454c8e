"""Networks of the video metrics on a CPU beside torch, and host memory over the number of clips.

    python -m benchmarks.video_metrics --out FILE.json [--what i3d --what resnet50_3d ... --what memory] [--repeats 3]

Needs torch, torchvision, and for i3d and lpips the packages cd-fvd and lpips. float32, random weights, both libraries
on all cores; seconds are medians of turns in turn, frames a second are those of one network over a clip of 16 frames,
or over pairs of pictures of 256 x 256.
"""

import importlib
import json
import resource
import warnings
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np
import torch
from absl import flags

from benchmarks.measures import torch_networks
from benchmarks.timing import medians
from benchmarks.training_flags import OUT
from data_pipeline.files import write_atomically
from launch.shell import cli, outputs
from xdancer_jax.evals.clips import Cut, Video
from xdancer_jax.evals.embedding import embedded
from xdancer_jax.evals.fid_vid import resnet50_disco
from xdancer_jax.evals.networks import loading
from xdancer_jax.evals.networks.i3d import I3D
from xdancer_jax.evals.networks.perceptual import LPIPSNetwork
from xdancer_jax.evals.networks.resnet3d import ResNet3D, resnet50, resnext101

VIDEO = ("i3d", "resnet50_3d", "resnext101_3d")
PICTURES = ("lpips_alex", "lpips_vgg", "lpips_squeeze")
_WHAT = flags.DEFINE_multi_enum("what", [*VIDEO, *PICTURES, "memory"], [*VIDEO, *PICTURES, "memory"],
                                "Part. Once for each.")
_REPEATS = flags.DEFINE_integer("repeats", 3, "Turns of each measurement.", lower_bound=1)
Row = dict[str, float | str]


def video_row(name: str, repeats: int) -> Row:
    """One clip of 16 frames."""
    ours = {"i3d": I3D, "resnet50_3d": resnet50, "resnext101_3d": resnext101}[name]()
    size = 224 if name == "i3d" else 112
    x, planes = torch_networks.videos((1, 16, size, size, 3))
    return _row(name, repeats, 16, ours, (x,), _their_video(name), (planes,))


def picture_row(name: str, repeats: int, side: int = 256, pairs: int = 4) -> Row:
    """Pairs of pictures."""
    backbone = name.removeprefix("lpips_")
    lpips = importlib.import_module("lpips")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torchvision's, of its old way to ask for weights
        theirs = lpips.LPIPS(net=backbone, pnet_rand=True, verbose=False).eval()
    sides = np.random.default_rng(0).uniform(-1, 1, (2, pairs, side, side, 3)).astype(np.float32)
    planes = [torch.from_numpy(x).permute(0, 3, 1, 2).contiguous() for x in sides]
    return _row(name, repeats, pairs, LPIPSNetwork(backbone), tuple(sides), theirs, planes)


def memory_row(few: int = 8, many: int = 40, frames: int = 32, side: int = 256) -> Row:
    """Growth of the process's peak from `few` videos to `many`, which are made while they are read."""
    network = loading.embedder(ResNet3D((1, 1, 1, 1)), loading.random(ResNet3D((1, 1, 1, 1)), 0), "random 0")
    protocol = resnet50_disco()

    def video(number: int) -> Video:
        def read():
            rng = np.random.default_rng(number)
            return (rng.integers(0, 256, (side, side, 3), dtype=np.uint8) for _ in range(frames))

        return Video(str(number), 30.0, (frames, side, side), read)

    peaks = []
    for count in (few, many):
        embedded([video(i) for i in range(count)], Cut(16, "segments"), protocol.prepare, network, 4, "made")
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    whole = (many - few) * frames * side * side * 3
    return {"what": "memory", "peak_bytes": peaks[1], "growth_bytes": peaks[1] - peaks[0], "bytes_of_frames": whole}


def _their_video(name: str) -> torch.nn.Module:
    if name == "i3d":
        return importlib.import_module("cdfvd.third_party.i3d.pytorch_i3d").InceptionI3d(400, in_channels=3).eval()
    return torch_networks.resnet3d((3, 4, 6, 3) if name == "resnet50_3d" else (3, 4, 23, 3),
                                   1 if name == "resnet50_3d" else 32)


def _row(name: str, repeats: int, frames: int, module, inputs, theirs, planes) -> Row:
    network = loading.embedder(module, loading.random(module, 0), "random 0")

    def run() -> None:
        with torch.no_grad():
            theirs(*planes)

    ours_seconds, their_seconds = medians(repeats, lambda: network.run(*inputs), run)
    return {"what": name, "frames_a_second": frames / ours_seconds, "torch_frames_a_second": frames / their_seconds,
            "time_over_torch": ours_seconds / their_seconds}


def main(argv: list[str]) -> None:
    del argv
    if OUT.value:
        outputs.check_out(OUT.value, ".json")
    parts: dict[str, Callable[[str], Row]] = {name: lambda name: video_row(name, _REPEATS.value) for name in VIDEO}
    parts |= {name: lambda name: picture_row(name, _REPEATS.value) for name in PICTURES}
    parts["memory"] = lambda name: memory_row()
    rows = []
    for name in _WHAT.value:
        rows.append(parts[name](name))
        print(json.dumps(rows[-1]), flush=True)
    if OUT.value:
        found = {"jax": jax.__version__, "torch": torch.__version__, "rows": rows}
        write_atomically(Path(OUT.value), (json.dumps(found, indent=2) + "\n").encode())


if __name__ == "__main__":
    cli.run(main)
