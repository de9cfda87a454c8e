"""The suite `video`: clips painted for the true poses of held-out dancers, kept, and beside the true pictures."""

import functools
import io
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from data_pipeline import music, npz_files, video_files
from data_pipeline.clip_views import ClipView
from data_pipeline.schema import FRAMES
from launch.figures import videos
from launch.figures.data import Data
from launch.making import dances, painting
from launch.runs import agreement, sharing
from launch.runs.loading import Run
from launch.suites import kept, rows, sounds
from launch.suites.figure import Figure, Kept
from launch.suites.kept import TRUTH, Place
from launch.suites.motion import pose_arrays
from launch.suites.networks import Given
from xdancer_jax.evals import fid_vid, flicker, fvd, lpips, ssim, video_legacy
from xdancer_jax.evals.clips import Video
from xdancer_jax.evals.identity import IDSim, Person
from xdancer_jax.evals.paired import each, paired_report
from xdancer_jax.evals.seam import Seam
from xdancer_jax.evals.video_quality import PSNR, FrameL1

Photo = Callable[[], np.ndarray]
FVDS = (fvd.styleganv, fvd.videogpt, fvd.disco, fvd.cdfvd)
FIDS = {"resnet50_3d": (fid_vid.resnet50_disco,), "resnext101_3d": (fid_vid.resnext101, fid_vid.resnext101_legacy)}
LPIPS = {"alex": (lpips.LPIPS,), "vgg": (lpips.vgg, lpips.disco_legacy), "squeeze": (lpips.squeeze,)}


class _Pictures:
    """JPEG files of a clip, of which only those are read that are asked for."""

    def __init__(self, view: ClipView):
        self._view = view

    def __getitem__(self, index):
        if isinstance(index, slice):
            return [self._view.picture(i) for i in range(*index.indices(self._view.frames))]
        return self._view.picture(index)


def keep(run: Run, data: Data, place: Place) -> Kept:
    """Clips by a video run (figures/videos.drive); what is there is not made again, and a clip of fewer frames than
    are to be painted is left out. Every process must call it."""
    heard = sounds.fields(data)
    views, paint = data.views(["poses", FRAMES, *heard]), painting.painter(run, None)
    short = [view.id for view in views if view.frames < data.frames]
    names = kept.names([view.id for view in views])

    def make(i: int) -> None:
        if views[i].frames >= data.frames and not (place.has(names[i], i) and place.has(names[i] + TRUTH, i)):
            _write(run, paint, data, place, views[i], names[i], i, heard)

    agreement.everywhere(lambda: [make(i) for i in sharing.mine(range(len(views)))])
    why = f"{len(short)} clips left out, shorter than --frames={data.frames}: {', '.join(short[:5])}"
    long = [name for name, view in zip(names, views, strict=True) if view.frames >= data.frames]
    return Kept(long, [why] if short else [], len(short))


def _write(run, paint, data: Data, place: Place, view: ClipView, name: str, number: int, heard) -> None:
    record = {"poses": view.poses(0, view.frames), FRAMES: _Pictures(view)}
    frames, target, photo = videos.drive(run, paint, record, data)
    start = (view.frames - data.frames) // 2
    motion, sound = record["poses"][start : start + data.frames], sounds.of(view, heard, start, data.frames)
    decoded = run.config.pose_control == "motion_decoder"
    tokens = dances.tokens_of(run, record["poses"])[start : start + data.frames] if decoded else None
    arrays = pose_arrays(motion, *target.shape[1:3])
    for each_name, pictures, more in (
        (name + TRUTH, target, {"photo": _photo(photo)}), (name, frames, {"tokens": tokens}),
    ):
        shown, source = map(video_files.even, pictures), kept.source(each_name, name)
        video_files.write_video(place.clip(each_name, ".mp4"), shown, music.FPS, *sound, source=source)
        place.write(each_name, {**arrays, **more}, pictures, number)


def _photo(picture: np.ndarray) -> np.ndarray:
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "PNG")
    return np.frombuffer(content.getvalue(), np.uint8)


def kept_sides(place: Place, names: Sequence[str]) -> tuple[list[Video], list[Video], list[Photo]]:
    """(true, made, photos) of kept clips, whose pictures are read one at a time."""
    sides = [[_video(place, name, name + suffix) for name in names] for suffix in (TRUTH, "")]
    return sides[0], sides[1], [functools.partial(_first_picture, place.clip(name + TRUTH)) for name in names]


def _video(place: Place, name: str, file: str) -> Video:
    path = place.clip(file)
    fps = npz_files.read(path, ["fps"])["fps"].item()
    return Video(name, fps, kept.shape(path), functools.partial(kept.frames, path))


def _first_picture(path) -> np.ndarray:
    """The photo, or the first frame where there is none."""
    found = npz_files.read(path, ["photo"])
    if "photo" not in found:
        return next(kept.frames(path))
    return np.asarray(Image.open(io.BytesIO(found["photo"].tobytes())).convert("RGB"))


def paired_figures(real, made, photos, given: Given, net: str) -> list[Figure]:
    """Frame by frame: PSNR, L1, SSIM, DisCo's, and LPIPS on the backbone `net`, "" for none."""
    def rowed(report) -> Callable[[], list]:
        return lambda: [rows.paired(report, real, made, photos)]

    plain = [PSNR(), FrameL1()]
    found = [Figure((metric.id,), rowed(lambda a, b, m=metric: paired_report(m, a, b, each(m)))) for metric in plain]
    for metric in (ssim.SSIM(), ssim.disco(), video_legacy.PSNRUint8(), video_legacy.L1PerPixel()):
        found.append(Figure((metric.id,), rowed(metric.report)))
    kinds, network = (net, f"{net}_heads"), functools.cache(lambda: given.lpips(net))  # read and compiled once

    def by_network(metric) -> Callable:
        return lambda real, made: metric.report(real, made, network())

    for make in LPIPS.get(net, ()):
        metric = make()
        found.append(Figure((metric.id,), rowed(by_network(metric)), kinds, given.lacking(*kinds)))
    return found


def figures(real, made, photos: Sequence[Photo], given: Given, net: str, seam: Seam | None) -> list[Figure]:
    """Of videos beside the true ones. seam: of the sampler that made them, None where that is not known."""
    found = paired_figures(real, made, photos, given, net)
    for make in FVDS:
        protocol = make()
        network = functools.cache(lambda p=protocol: given.i3d(p.epsilon, p.pool_frames))
        found.append(_distance(protocol, network, real, made, photos, "i3d", given))
    for kind, makes in FIDS.items():
        network = functools.cache(lambda kind=kind: given.resnet(kind))
        found += [_distance(make(), network, real, made, photos, kind, given) for make in makes]
    kinds = ("arcface", "scrfd")
    found.append(Figure((IDSim().id,), lambda: [_identity(real, made, photos, given)], kinds, given.lacking(*kinds)))
    for each_form in (flicker.Flicker(), flicker.vbench()):
        found.append(Figure((each_form.id,), lambda form=each_form: [form.report(real, made)]))
    found.append(_seam(seam, real, made))
    return found


def _distance(protocol, network, real, made, photos, kind: str, given: Given) -> Figure:
    def measure():
        return [rows.distance(lambda a, b: protocol(a, b, network()), real, made, photos)]

    return Figure((protocol.id,), measure, (kind,), given.lacking(kind))


def _identity(real, made, photos: Sequence[Photo], given: Given):
    finder, network = given.face_networks()

    def report(videos: Sequence[Video], faces: Sequence[Photo]):
        return IDSim().report([Person(v, p()) for v, p in zip(videos, faces, strict=True)], finder, network)

    others = {"chance": lambda: report(made, [*photos[1:], *photos[:1]])} if len(made) > 1 else {}
    return rows.beside(report(made, photos), {"ground_truth": lambda: report(real, photos), **others}, "score")


def _seam(seam: Seam | None, real: Sequence[Video], made: Sequence[Video]) -> Figure:
    lacking = ""
    if seam is None:
        lacking = "windows of the sampler that made these videos are not known"
    elif not any(seam.seams(video.shape[0]) for video in made):
        lacking = f"no clip has more than one window of {seam.length} frames; give more --frames"
    chosen = seam or Seam()
    measure = lambda: [  # noqa: E731
        rows.beside(chosen.report(made), {"ground_truth": lambda: chosen.report(real)}, "score")
    ]
    return Figure((chosen.id,), measure, lacking=lacking)


__all__ = ["FIDS", "FVDS", "LPIPS", "figures", "keep", "kept_sides", "paired_figures"]
