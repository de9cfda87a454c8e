"""The config of a data set becomes a plan: jobs, splits, features."""

from pathlib import Path

from ml_collections import ConfigDict

from configs import data as configs_data
from data_pipeline import feature_sets, music
from data_pipeline.feature_sets import FeatureSet
from data_pipeline.preparation import clip_files, estimators, listing, pose_clips, splits, toys, videos
from data_pipeline.preparation.whole import Division, Plan
from launch.shell import fields

_ELSEWHERE = "config.arrays.folder"


def plan(config: ConfigDict, data: str) -> Plan:
    """What is to be prepared into `data`.

    Of videos the estimator of poses and the scorer of pictures are made, before there is work for them.

    Raises:
        FileNotFoundError, ValueError: a field out of its range, or of no use; nothing to prepare; no such models.
        ImportError: a model without its library.
    """
    fields.check(config, configs_data.RANGES)
    return {"toy": _toy, "videos": _videos, "poses": _poses}[config.variant](config, data)


def _toy(config: ConfigDict, data: str) -> Plan:
    names = ("seed", "train_clips", "test_clips", "frames", "height", "width", "choreography", "music")
    settings = {name: config[name] for name in names}
    return Plan(
        data, "toy", toys.jobs(settings), toys.make, settings, Division("id", 0.5, {}, frozenset()),
        _features(config.music, None), (config.height, config.width),
    )


def _videos(config: ConfigDict, data: str) -> Plan:
    if not config.videos:
        raise ValueError('config.videos is empty: give a folder, "PATTERN*", list or table, --config.videos=FOLDER')
    if config.height % 8 or config.width % 8:
        raise ValueError(f"config.height={config.height} and width={config.width}: must be multiples of 8")
    features = _features(config.music, config.arrays.folder)
    _check_estimator(config.estimator)
    found = listing.find(config.videos, listing.VIDEOS)  # before models are made, or downloaded
    models = {"estimator": config.estimator.to_dict(), "quality": config.quality_model}
    settings = {
        "size": [config.height, config.width], "music": config.music, "arrays": config.arrays.to_dict(),
        "spans": config.spans.to_dict(), "smoothing": config.smoothing,
        "quality": estimators.which(estimators.scorer(models["quality"])),
        "estimator": estimators.which(estimators.estimator(**models["estimator"])),
        "second_confidence": config.filters.second_confidence, "second_size": config.filters.second_size,
    }
    limits = config.filters.to_dict()
    if not config.quality_model:
        limits["quality"] = None
    division = _division(config.split)
    return Plan(
        data, "videos", videos.jobs(found, settings, limits, models), videos.make,
        {**settings, "filters": limits, "split": config.split.to_dict()}, division,
        features, (config.height, config.width),
    )


def _check_estimator(config: ConfigDict) -> None:
    """Raises ValueError for files of the other kind of estimator or none, FileNotFoundError for those that are not
    there."""
    if config.name != "rtm":
        if config.model or config.detector:
            raise ValueError("config.estimator.model and detector go with --config.estimator.name=rtm")
        return
    if not config.model or config.weights:
        raise ValueError(
            "config.estimator.name=rtm takes --config.estimator.model=FILE.onnx and "
            "--config.estimator.detector=FILE.onnx, no config.estimator.weights"
        )
    for name in ("model", "detector"):
        if config[name] and not Path(config[name]).is_file():
            raise FileNotFoundError(f"config.estimator.{name}: no ONNX model at {config[name]}")


def _poses(config: ConfigDict, data: str) -> Plan:
    stored = config.poses
    if not stored.files:
        raise ValueError('config.poses.files is empty: give a file, folder, "PATTERN*" or list')
    settings = {
        "held_out": stored.held_out, "smoothing": config.smoothing, "height": stored.height, "width": stored.width,
        "fps": stored.fps,
    }
    jobs = pose_clips.jobs(stored.files, settings)
    return Plan(data, "poses", jobs, pose_clips.make, settings, Division("id", 0.2, {}, frozenset()), None, None)


def _division(config: ConfigDict) -> Division:
    given = {split: config[f"{split}_list"] for split in splits.SPLITS if config[f"{split}_list"]}
    if len(given) == 1:
        raise ValueError(
            f"config.split.{next(iter(given))}_list is given alone: give both lists, or neither for a hash of "
            f"config.split.by={config.by!r}"
        )
    ignored = splits.read_list(config.ignore_list) if config.ignore_list else frozenset()
    lists = {split: splits.read_list(path) for split, path in given.items()}
    if lists and (both := lists["train"] & lists["test"]):
        raise ValueError(f"config.split.train_list and test_list: both name {min(both)}")
    return Division(config.by, config.test_share, lists, ignored)


def _features(name: str, arrays: str | None) -> FeatureSet | None:
    """Raises ValueError for an unknown feature set."""
    if name == clip_files.NO_MUSIC:
        return None
    if arrays:
        feature_sets.width_of(name)
        return FeatureSet(name)
    try:
        return music.find(name)
    except ValueError as error:
        raise ValueError(f"config.music={name!r}: {error}; features of your own need {_ELSEWHERE}") from error


__all__ = ["plan"]
