"""The figures of a trained stage on a prepared data set: which data goes into which protocol of xdancer_jax/evals."""

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np
from tqdm import tqdm

from data_pipeline import media, music, sources
from data_pipeline.schema import FRAMES
from data_pipeline.skeleton import PARTS
from launch.making import dances, generation
from launch.runs.runs import Run
from xdancer_jax.evals.beat_alignment import BAS_BAILANDO_2D, BAS_MINT_2D, beat_alignment_report
from xdancer_jax.evals.codebook import CodebookUse
from xdancer_jax.evals.diversity import KineticFeatures, diversity_report
from xdancer_jax.evals.pose_error import mean_pose, paper_groups, pose_error_report, pose_l1_half_height
from xdancer_jax.evals.protocols import Result
from xdancer_jax.evals.second_pass import Pass, SecondPass
from xdancer_jax.evals.video_quality import PSNR, FrameL1, video_report


@dataclasses.dataclass(frozen=True)
class Data:
    """What to evaluate on.

    Attributes:
      directory: prepared data set.
      split: evaluated; "train" gives the mean pose that stage 1 is measured against.
      clips: of the split, from its first; 0 for all.
      frames: of each clip that the video stage paints, from the middle of the clip on.
      seed: of everything drawn.
    """

    directory: str
    split: str = "test"
    clips: int = 0
    frames: int = 16
    seed: int = 0

    def records(self, fields: Sequence[str]) -> list[dict]:
        """The chosen clips of the split."""
        source = sources.from_directory(self.directory, self.split, fields)
        return [source[i] for i in range(min(len(source), self.clips or len(source)))]


def evaluate(run: Run, data: Data) -> list[Result]:
    """Every figure of the run's stage on `data`."""
    functions: dict[str, Callable[[Run, Data], list[Result]]] = {
        "tokenizer": tokenizer, "motion": motion, "autoencoder": autoencoder, "video": video,
    }
    return functions[run.config.name](run, data)


def tokenizer(run: Run, data: Data) -> list[Result]:
    """Reconstruction error of whole clips by part, against predicting the training set's mean pose; codebook use; what
    a second pass changes."""
    train = dataclasses.replace(data, split="train", clips=0)
    baseline = mean_pose(np.concatenate([record["poses"] for record in train.records(["poses"])]))
    return tokenizer_figures(run, [record["poses"] for record in data.records(["poses"])], baseline)


def tokenizer_figures(run: Run, clips: Sequence[np.ndarray], baseline: np.ndarray) -> list[Result]:
    """Of poses (F, 60, 3) a clip, in record coordinates, and the pose (60, 3) that a model must beat."""
    reconstruct = jax.jit(run.stage.functions["reconstruct"])

    def encode_decode(sequences: Sequence[np.ndarray]) -> list[Pass]:
        key = jax.random.key(0)
        found = [reconstruct(run.params, run.extra, {"poses": clip[None]}, key) for clip in sequences]
        return [Pass(np.asarray(output["tokens"][0]), np.asarray(output["poses"][0])) for output in found]

    passes = encode_decode(clips)
    again = encode_decode([each.poses for each in passes])
    first, second = (Pass(*map(np.concatenate, zip(*each, strict=True))) for each in (passes, again))
    names = tuple(PARTS) if first.tokens.shape[1] == len(PARTS) else ("body",)
    truth, groups = np.concatenate(list(clips)), paper_groups(PARTS)
    return [
        pose_error_report(pose_l1_half_height(), first.poses, truth, groups, baseline),
        CodebookUse(run.config.model.codebook_size)(first.tokens, names),
        SecondPass()(truth, first, second, names, groups),
    ]


def motion(run: Run, data: Data) -> list[Result]:
    """Dances generated for whole held-out songs from each clip's first pose, beside the real dances."""
    records = data.records(["poses", "music", "song", "fps"])
    shortest = min(len(record["poses"]) for record in records)
    songs = [dances.Song(np.zeros(0, np.float32), record["music"][:shortest]) for record in records]
    given = [dances.tokens_of(run, record["poses"][:1]) for record in records]
    seeds = [data.seed + i for i in range(len(records))]
    made = [dance.poses for dance in dances.choreograph(run, songs, given, shortest, seeds)]
    beats = [record["music"][:shortest, music.BEAT] for record in records]
    real = [record["poses"][:shortest] for record in records]
    names = [record["song"] for record in records]
    alignment = [
        beat_alignment_report(protocol, made, beats, music.FPS, songs=names, ground_truth=real)
        for protocol in (BAS_BAILANDO_2D, BAS_MINT_2D)
    ]
    return [*alignment, diversity_report(KineticFeatures(), made, real, music.FPS)]


def autoencoder(run: Run, data: Data) -> list[Result]:
    """Reconstruction of one frame a second, beside repeating each clip's first."""
    reconstruct = jax.jit(run.stage.functions["reconstruct"])
    records = data.records([FRAMES])
    shortest, clips = min(len(record[FRAMES]) for record in records), []
    for record in records:
        frames = np.stack([media.decode_jpeg(frame) for frame in record[FRAMES][: shortest : music.FPS]])
        output = reconstruct(run.params, run.extra, {"frames": frames}, jax.random.key(0))["frames"]
        clips.append((np.asarray(output), frames, frames[0]))
    return video_figures(clips)


def video(run: Run, data: Data) -> list[Result]:
    """Self-driven video: a clip's first frame is the photo, the real poses of its middle drive it."""
    return video_figures(list(self_driven(run, data)))


def video_figures(clips: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> list[Result]:
    """Of (generated frames, true frames, photo) a clip, as `self_driven` yields them."""
    frames, target, photos = (np.stack(column) for column in zip(*clips, strict=True))
    return [video_report(metric, frames, target, photos) for metric in (PSNR(), FrameL1())]


def self_driven(run: Run, data: Data) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yields (generated frames, true frames, photo) of each clip, uint8."""
    paint = generation.painter(run, None)
    for record in tqdm(data.records(["poses", FRAMES]), desc="clips", unit="clip"):
        start = max(0, (len(record["poses"]) - data.frames) // 2)
        window = slice(start, start + data.frames)
        photo, *target = (media.decode_jpeg(frame) for frame in [record[FRAMES][0], *record[FRAMES][window]])
        dancer = generation.Dancer(photo, record["poses"][0])
        decoded = run.config.pose_control == "motion_decoder"
        tokens = dances.tokens_of(run, record["poses"])[window] if decoded else None
        yield paint(dancer, dances.Dance(record["poses"][window], tokens), data.seed), np.stack(target), photo
