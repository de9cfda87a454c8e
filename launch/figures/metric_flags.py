"""The flags of suites: what is measured, and the weights that nobody may ship."""

from absl import flags

from launch.suites.networks import FLAGS, Given

SUITES = ("motion", "reconstruction", "video")
_SUITE = flags.DEFINE_enum("suite", None, [*SUITES, "all"], "Measure kept clips; all: whatever the run is of.")
_VIDEOS = flags.DEFINE_string("from_videos", None, "Folder of any system's videos or pose files, in place of a run.")
_TRUTH = flags.DEFINE_string("truth", None, "Folder of the true ones, of the same names; else NAME_truth, or --data.")
_ONLY = flags.DEFINE_list("protocols", None, "Ids of the protocols to measure, with commas; all if not given.")
_WEIGHTS = flags.DEFINE_enum("weights", "files", ["files", "random"], "random: a trial of the metrics' networks.")
_NET = flags.DEFINE_enum("lpips_net", "alex", ["alex", "vgg", "squeeze"], "Backbone of LPIPS.")
_FILES = {
    name: flags.DEFINE_string(name, None, f"File of weights: {what}.")
    for name, what in (
        ("i3d", "I3D, for FVD"), ("resnet50", "3-D ResNet-50, for FID-VID"),
        ("resnext101", "3-D ResNeXt-101, for FID-VID"), ("lpips_backbone", "torchvision's, of --lpips_net"),
        ("lpips_heads", "the lpips package's, of --lpips_net"), ("arcface", "ArcFace (.onnx), for ID-SIM"),
        ("face_finder", "SCRFD (.onnx), for ID-SIM"),
    )
}
_OF_SUITES = (_VIDEOS, _TRUTH, _ONLY, *_FILES.values())


def suite() -> str | None:
    """Of --suite. Raises ValueError for flags that mean nothing without it."""
    if _SUITE.value is None:
        given = [flag.name for flag in _OF_SUITES if flag.value is not None]
        if _WEIGHTS.value != "files":
            given.append("weights")
        if given:
            raise ValueError(f"--{given[0]}: only with --suite")
    return _SUITE.value


def from_videos() -> tuple[str | None, str | None]:
    """(folder, folder of the true ones). Raises ValueError for the second without the first."""
    if _TRUTH.value is not None and _VIDEOS.value is None:
        raise ValueError("--truth: only with --from_videos; a run's truth is its --data")
    return _VIDEOS.value, _TRUTH.value


def protocols() -> tuple[str, ...]:
    """Of --protocols; none for all."""
    return tuple(_ONLY.value or ())


def lpips_net() -> str:
    return _NET.value


def weights(seed: int) -> Given:
    """Of the flags. Raises ValueError for files beside --weights=random."""
    own = {"lpips_backbone": _NET.value, "lpips_heads": f"{_NET.value}_heads"}
    kinds = {flag: kind for kind, flag in FLAGS.items() if not flag.startswith("lpips")} | own
    files = {kinds[name]: flag.value for name, flag in _FILES.items() if flag.value is not None}
    if files and _WEIGHTS.value == "random":
        raise ValueError(f"--weights=random: not with --{FLAGS[next(iter(files))]}")
    return Given(files, _WEIGHTS.value == "random", seed)


__all__ = ["SUITES", "from_videos", "lpips_net", "protocols", "suite", "weights"]
