"""A run's checkpoints as suites: clips are made and kept, then measured; what is there is taken as it is."""

from pathlib import Path

import jax

from data_pipeline.files import check_here
from launch.figures import results
from launch.figures.data import Data
from launch.runs import agreement, features, loading, sharing, sources
from launch.runs.loading import Run
from launch.suites import motion, reconstruction, video
from launch.suites.figure import Figure, Kept
from launch.suites.kept import Place
from launch.suites.measuring import Measured, measure
from launch.suites.networks import Given
from xdancer_jax import sharding
from xdancer_jax.evals.seam import Seam
from xdancer_jax.train import checkpoint

OF_STAGE = {"motion": "motion", "tokenizer": "reconstruction", "autoencoder": "reconstruction", "video": "video"}


def run(workdir: str, data: Data, step: str | None, suite: str, given: Given, net: str, only: tuple[str, ...]) -> None:
    """Of the run in `workdir` at `step`, "all" for each checkpoint, None for the newest. Every process must call it.

    Raises ValueError: another suite than the run's stage has, a step that is none, and at the end where figures could
    not be measured, each told of before.
    """
    name = agreement.everywhere(lambda: _suite(workdir, suite))
    problems: list[str] = []
    for each in agreement.everywhere(lambda: _steps(workdir, step)):
        problems += _one(workdir, data, each, name, given, net, only)
    finish(problems)


def finish(problems: list[str]) -> None:
    """Raises ValueError where figures could not be measured."""
    def check() -> None:
        if problems:
            count = len(problems)
            raise ValueError(f"{count} figures could not be measured, see the lines above; the others are written")

    agreement.everywhere(check)


def _suite(workdir: str, suite: str) -> str:
    check_here(workdir)
    stage = sources.read_config(workdir, None).name
    own = OF_STAGE.get(stage)
    if own is None or suite not in ("all", own):
        raise ValueError(f"--suite={suite}: {workdir} is a run of the stage {stage}, whose suite is {own}")
    return own


def _steps(workdir: str, step: str | None) -> list[int | None]:
    if step != "all":
        return [None if step is None else int(step)]
    found = checkpoint.steps(workdir)
    if not found:
        raise ValueError(f"{workdir}: no finished checkpoint yet")
    return list(found)


def _one(
    workdir: str, data: Data, step: int | None, suite: str, given: Given, net: str, only: tuple[str, ...]
) -> list[str]:
    mesh = None
    if suite == "video" and jax.local_device_count() > 1:  # one clip at a time, over all devices of a process
        mesh = sharding.make_mesh({"data": 1, "fsdp": -1, "tensor": 1}, jax.local_devices())
    loaded, setting = agreement.everywhere(
        lambda: (loading.load(workdir, step=step, mesh=mesh), results.setting(data))
    )
    features.check_data(loaded.features, data.directory)
    fingerprint, digests = setting["fingerprint"], dict(loaded.digests)
    made_of = {"weights": digests, "data": fingerprint, "split": data.split, "seed": data.seed, "step": loaded.step}
    made_of |= {"frames": data.frames} if suite == "video" else {}
    place = Place(Path(workdir) / "evaluation" / f"step_{loaded.step}", suite, loaded.step, made_of)
    agreement.everywhere(lambda: place.clips.mkdir(parents=True, exist_ok=True))
    sharing.first(lambda: print(f"{place.results}: {data.directory} {data.split}", flush=True))
    clips = {"motion": motion, "reconstruction": reconstruction, "video": video}[suite].keep(loaded, data, place)
    if not clips.names:
        raise ValueError(f"{data.directory}: no clip of {data.split} is left; " + "; ".join(clips.notes))
    source = {"run": workdir, "step": loaded.step, "directory": data.directory, **setting}
    what = Measured(source, fingerprint, digests, given, only)
    return measure(place, _figures(loaded, data, place, clips, given, net), clips, what)


def _figures(run: Run, data: Data, place: Place, clips: Kept, given: Given, net: str) -> list[Figure]:
    if place.suite == "motion":
        return motion.figures(place, clips.names, given)
    if place.suite == "reconstruction":
        return reconstruction.figures(run, data, place, clips.names, given)
    sampler = run.config.sampler
    sides = video.kept_sides(place, clips.names)
    return video.figures(*sides, given, net, Seam(length=sampler.window, overlap=sampler.overlap))


__all__ = ["OF_STAGE", "finish", "run"]
