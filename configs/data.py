"""Data sets to prepare.

    python -m launch.prepare --config configs/data.py:videos --data DATA --config.videos=FOLDER

Variants: "toy", procedural dances; "videos", raw clips; "poses", stored pose files, for the tokenizer alone.
docs/data.md leads from a download of AIST++, a folder of short clips or videos of one's own to a set.
"""

from ml_collections import ConfigDict

from configs.ranges import FREE, NOT_NEGATIVE, POSITIVE, SHARE, TEXTS, OneOf, Range, whole

VARIANTS = ("toy", "videos", "poses")
_SIDE = whole(16, 8192)
RANGES = {
    "variant": OneOf(VARIANTS), "workers": whole(1, 4096), "beam": TEXTS, "cache": FREE, "keep_cache": FREE,
    "seed": whole(0, 2**32 - 1), "train_clips": whole(1), "test_clips": whole(1), "frames": whole(23),
    "height": _SIDE, "width": _SIDE, "choreography": FREE, "music": FREE,
    "videos": FREE,
    "arrays.folder": FREE, "arrays.rate": POSITIVE,
    "estimator.name": OneOf(("mediapipe", "rtm")), "estimator.weights": FREE, "estimator.detector": FREE,
    "estimator.model": FREE,
    "spans.seconds": NOT_NEGATIVE, "spans.scenes": FREE,
    "smoothing": OneOf(("none", "one_euro", "savitzky_golay")),
    "filters.seconds": NOT_NEGATIVE, "filters.second_person": SHARE, "filters.second_confidence": SHARE,
    "filters.second_size": SHARE, "filters.person_box": SHARE, "filters.corner_deviation": NOT_NEGATIVE,
    "filters.quality": Range(0, 100), "quality_model": FREE,
    "split.by": FREE, "split.test_share": Range(0, 1, open_low=True, open_high=True), "split.train_list": FREE,
    "split.test_list": FREE, "split.ignore_list": FREE,
    "poses.files": FREE, "poses.height": whole(0, 100_000), "poses.width": whole(0, 100_000),
    "poses.fps": Range(0, 1000), "poses.held_out": Range(0, 1, open_high=True),
}


def get_config(variant: str = "toy") -> ConfigDict:
    """The config of a variant. Raises ValueError for an unknown one."""
    if variant not in VARIANTS:
        raise ValueError(f"data config: unknown variant {variant!r}; choose one of {VARIANTS}")
    config = ConfigDict()
    config.variant = variant  # not to be set
    config.workers = 1  # processes of this machine; more than one need the extra "beam"
    config.beam = ()  # options of Apache Beam in place of workers, e.g. ("--runner=DataflowRunner", "--project=NAME")
    config.cache = ""  # folder of finished clips, from which a run that was stopped goes on; "" for DATA/cache
    config.keep_cache = variant == "videos"  # also when the set is finished: more videos or other limits are soon done
    if variant == "poses":
        _add_poses(config)
        return config
    config.music = "librosa35"  # feature set: "librosa35", "bailando438", one of `arrays` below, or "none"
    config.height, config.width = (112, 64) if variant == "toy" else (896, 512)  # paper; of the pictures, pixels
    if variant == "toy":
        _add_toy(config)
    else:
        _add_videos(config)
    return config


def _add_toy(config: ConfigDict) -> None:
    config.seed = 0  # of every clip
    config.train_clips, config.test_clips = 64, 8  # the splits share no song and no dancer
    config.frames = 360  # of a clip, at 30 fps
    config.choreography = False  # one dance in every clip, that no genre has; to fine-tune on


def _add_videos(config: ConfigDict) -> None:
    config.videos = ""  # FOLDER, "PATTERN*", FILE, LIST.txt, or TABLE.csv with file, id, song, performer, split, music
    config.smoothing = "none"  # of the poses: "none", "one_euro" or "savitzky_golay"

    config.arrays = ConfigDict()  # music features that were made elsewhere
    config.arrays.folder = ""  # with ID.npy or ID.npz for every video; config.music names them: jukebox4800
    config.arrays.rate = 30.0  # rows a second

    config.estimator = ConfigDict()  # of the poses
    config.estimator.name = "mediapipe"  # or "rtm": RTMW and DWPose, whole-body models of yours as ONNX files
    config.estimator.weights = ""  # mediapipe: folder with its bundles; "" downloads them once
    config.estimator.detector = ""  # rtm: ONNX file that finds people, YOLOX or RTMDet
    config.estimator.model = ""  # rtm: ONNX file of the pose model

    config.spans = ConfigDict()  # what becomes clips of their own
    config.spans.seconds = 0.0  # a long video is cut into parts of this length; 0: it stays whole
    config.spans.scenes = False  # it is cut where the picture changes at once

    config.filters = ConfigDict()  # a clip that fails one is measured, and left out
    config.filters.seconds = 5.0  # paper; at least
    config.filters.second_person = 0.1  # (open) at most this share of the frames shows a second body
    config.filters.second_confidence = 0.5  # (open) a second body is one whose joints have this mean confidence
    config.filters.second_size = 0.3  # (open) and this share of the dancer's height
    config.filters.person_box = 0.275  # paper; the person's box is at least this share of the frame
    config.filters.corner_deviation = 20.0  # paper; at most, of pixels in the corners over time: the camera stands
    config.filters.quality = 40.0  # paper; HyperIQA's score, at least; needs quality_model
    config.quality_model = ""  # ONNX file of HyperIQA; "" leaves this filter off, and the report says so

    config.split = ConfigDict()
    config.split.by = "song"  # no value of this column is on both sides: "song", "performer", "id" or one of the table
    config.split.test_share = 0.05  # of its values, by a hash of each
    config.split.train_list = ""  # file of names, one a line, in place of the hash; as AIST++ has them
    config.split.test_list = ""
    config.split.ignore_list = ""  # file of names that are left out


def _add_poses(config: ConfigDict) -> None:
    config.smoothing = "none"  # "none", "one_euro" or "savitzky_golay"
    config.poses = ConfigDict()
    config.poses.files = ""  # FILE, FOLDER, "PATTERN*", or LIST.txt with FILE or FILE:HEIGHTxWIDTH:FPS a line
    config.poses.height = 0  # of the frame, pixels, where a file does not state it
    config.poses.width = 0
    config.poses.fps = 0.0
    config.poses.held_out = 0.2  # share of each file's frames, its last ones, that makes the test split
