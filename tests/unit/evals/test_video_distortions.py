"""Each figure moves the way docs/metrics.md says, step by step, as a known distortion grows."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from xdancer_jax.evals import fid_vid, fvd, ssim
from xdancer_jax.evals.clips import Cut, of_array
from xdancer_jax.evals.embedding import Embedder
from xdancer_jax.evals.flicker import Flicker
from xdancer_jax.evals.identity import TEMPLATE, FaceFinder, IDSim, Person
from xdancer_jax.evals.lpips import LPIPS
from xdancer_jax.evals.networks import loading
from xdancer_jax.evals.networks.perceptual import LPIPSNetwork
from xdancer_jax.evals.paired import each, paired_report
from xdancer_jax.evals.seam import Seam
from xdancer_jax.evals.video_quality import PSNR, FrameL1

COUNT, FRAMES, SIDE = 4, 16, 32
STEPS = range(4)  # strength 0 is the true video


def dance(number, shift=0, swapped=False):
    """A soft disc that goes round before a background; `swapped`: another colour on it."""
    rng = np.random.default_rng(number)
    ground = ndimage.gaussian_filter(rng.uniform(40, 200, (SIDE, SIDE, 3)), (2, 2, 0))
    colour = np.asarray([40.0, 60, 220] if swapped else [220.0, 60, 40])
    times = (np.arange(FRAMES) + shift) / 8 + number
    x, y = (16 + 9 * f(times)[:, None, None] for f in (np.cos, np.sin))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    inside = 1 / (1 + np.exp((np.hypot(columns - x, rows - y) - 6) * 2))[..., None]
    return ground * (1 - inside) + colour * inside


def blur(video, number, step):
    return ndimage.gaussian_filter(video, (0, (0, 0.6, 1.2, 2.4)[step], (0, 0.6, 1.2, 2.4)[step], 0))


def noise(video, number, step):
    return video + np.random.default_rng(number).standard_normal(video.shape) * (0, 6, 15, 35)[step]


def identity(video, number, step):
    return dance(number, swapped=True) if number < (0, 1, 2, 4)[step] else video


def frozen(video, number, step):
    last = (FRAMES, 12, 6, 1)[step] - 1
    return video[np.minimum(np.arange(FRAMES), last)]


def flicker(video, number, step):
    return video + (np.arange(FRAMES) % 2 * 2 - 1)[:, None, None, None] * (0, 4, 10, 25)[step]


def shift(video, number, step):
    return dance(number, shift=(0, 1, 3, 6)[step])


def jumps(video, number, step):
    new = np.arange(FRAMES) // 8 % 2
    return video + new[:, None, None, None] * (0, 5, 15, 40)[step]


DISTORTIONS = {"blur": blur, "noise": noise, "identity swap": identity, "frozen motion": frozen, "flicker": flicker,
               "time shift": shift, "jumps between windows": jumps}


def side(distort, step):
    return [
        of_array(str(n), 30.0, np.clip(np.rint(distort(dance(n), n, step)), 0, 255).astype(np.uint8))
        for n in range(COUNT)
    ]


@pytest.fixture(scope="module")
def metrics():
    """Figure of (real, made) by the name that it has in the table: random weights for LPIPS, a random projection in
    place of the networks over videos, which take too long here."""
    clips = Cut(16, "first")
    network = Embedder("random projection", _projected)
    form = dataclasses.replace(fvd.disco().frechet, samples=0)
    far = dataclasses.replace(fvd.cdfvd(), real_clips=clips, made_clips=clips, size=24, frechet=form)
    far3d = dataclasses.replace(fid_vid.resnet50_disco(), clips=Cut(16, "segments"), size=24)
    alex = LPIPSNetwork("alex")
    alex = loading.embedder(alex, loading.random(alex, 0), "random 0")
    colour = Embedder("colours", lambda faces: faces.mean(axis=(2, 3)) + 1)

    small = IDSim(side=28, template=tuple((x / 4, y / 4) for x, y in TEMPLATE))

    def similar(real, made):
        disc = FaceFinder("the red or blue disc", _disc)
        people = [Person(video, one.read()[0]) for one, video in zip(real, made, strict=True)]
        return small.report(people, disc, colour).values["score"]

    return {
        "PSNR": lambda real, made: paired_report(PSNR(), real, made, each(PSNR())).values["score"],
        "L1": lambda real, made: paired_report(FrameL1(), real, made, each(FrameL1())).values["score"],
        "SSIM": lambda real, made: ssim.SSIM().report(real, made).values["score"],
        "LPIPS": lambda real, made: LPIPS().report(real, made, alex).values["score"],
        "FVD": lambda real, made: far(real, made, network, COUNT).values["distance"],
        "FID-VID": lambda real, made: far3d(real, made, network, COUNT).values["distance"],
        "ID-SIM": similar,
        "flicker": lambda real, made: Flicker().report(real, made).values["score"],
        "seam": lambda real, made: Seam(length=8, overlap=0).report(made).values["score"],
    }


def _projected(clips):
    """Clips (B, 16, 24, 24, 3) -> 64 random sums of their cells of 2 x 4 x 4 and of those cells' deviations."""
    cells = clips.astype(np.float64).reshape(len(clips), 8, 2, 6, 4, 6, 4, 3)
    flat = np.concatenate([f(axis=(2, 4, 6)).reshape(len(clips), -1) for f in (cells.mean, cells.std)], axis=1)
    return flat @ np.random.default_rng(0).standard_normal((flat.shape[1], 64)) / flat.shape[1] ** 0.5


def _disc(frame):
    """Landmarks of a face where the disc is: its template, as large as the disc."""
    strong = np.abs(frame[..., 0].astype(int) - frame[..., 2]) > 110
    if not strong.any():
        return None
    rows, columns = np.nonzero(strong)
    return (np.asarray(TEMPLATE) - 56) / 28 + [columns.mean(), rows.mean()]


def table():
    """{(metric, distortion): "up", "down" or "="} of the table in docs/metrics.md; cells of "-" promise nothing."""
    text = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")
    lines = text.split("| figure |")[1].splitlines()
    heads = [cell.strip() for cell in lines[0].split("|") if cell.strip()]
    found = {}
    for line in lines[2:]:
        if not line.startswith("|"):
            break
        name, *cells = [cell.strip() for cell in line.strip("|").split("|")]
        said = zip(heads, cells, strict=True)
        found |= {(name, head): cell for head, cell in said if re.fullmatch("up|down|=", cell)}
    return found


TABLE = table()


def test_the_table_is_whole(metrics):
    assert {name for name, _ in TABLE} == set(metrics)
    assert {name for _, name in TABLE} == set(DISTORTIONS)


@pytest.mark.parametrize("name", DISTORTIONS)
def test_figures_move_as_the_table_says(metrics, name):
    real = side(DISTORTIONS[name], 0)
    made = [side(DISTORTIONS[name], step) for step in STEPS]
    wrong = []
    for (metric, distortion), said in TABLE.items():
        if distortion == name:
            found = [metrics[metric](real, videos) for videos in made]
            moves = np.diff(found)
            holds = {"up": (moves > 0).all(), "down": (moves < 0).all(), "=": np.allclose(found, found[0])}[said]
            wrong += [] if holds else [(metric, said, found)]
    assert not wrong
