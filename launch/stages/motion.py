"""Stage 2, music to pose tokens: configs/motion.py, xdancer_jax/stages/motion.py."""

from collections.abc import Sequence

import flax.linen as nn
import numpy as np
from ml_collections import ConfigDict

from data_pipeline import feature_sets, music
from launch.figures import grids
from launch.figures.data import Data
from launch.making import dances
from launch.runs import computed, sharing
from launch.runs.loading import Run
from launch.stages import Window
from launch.stages import tokenizer as tokenizer_stage
from xdancer_jax.evals.motion_set import MotionSet
from xdancer_jax.evals.motion_suite import motion_results
from xdancer_jax.evals.protocols import Result
from xdancer_jax.models.music_gpt import MusicGPT
from xdancer_jax.stage import Stage
from xdancer_jax.stages import motion


def earlier(config: ConfigDict) -> dict[str, str]:
    return {"tokenizer": "tokenizer"}


def modules(config: ConfigDict) -> dict[str, nn.Module]:
    return {
        "tokenizer": tokenizer_stage.module(config.earlier.tokenizer),  # in its own dtype: its tokens are the data
        "gpt": MusicGPT(**config.model, dtype=config.dtype, param_dtype=config.param_dtype),
    }


def make(config: ConfigDict) -> Stage:
    parts = modules(config)
    return motion.make(parts["gpt"], parts["tokenizer"])


def window(config: ConfigDict, train: bool) -> Window:
    data, mix = config.data, {}
    if data.replay_dir:
        mix = {
            "replay": data.replay_dir, "replay_rate": data.replay_rate,
            "replay_static_context_rate": data.replay_static_context_rate,
        }
    return Window("motion", {
        "music": data.music, "previous": data.previous, "length": config.model.segment_frames,
        "num_context": config.model.context_frames, "song_bins": config.model.global_tokens,
        "static_context_rate": data.static_context_rate if train else 0.0,
        "margin": tokenizer_stage.module(config.earlier.tokenizer).reach,
        "tokens": (config.model.num_parts, config.model.tokens_per_part) if data.tokens else (),
    }, mix, dict.fromkeys(("tokens", "still_tokens"), data.tokens) if data.tokens else {})


def check(config: ConfigDict) -> None:
    data = config.data
    try:
        feature_sets.width_of(data.music)
    except ValueError as error:
        raise ValueError(f"config.data.music: {error}") from error
    if data.tokens and data.replay_dir:
        raise ValueError("config.data.tokens: not with config.data.replay_dir, which has no tokens of its own")
    computed.check_augment(config, {"tokens": ("flip", "stretch")})
    if data.previous < config.model.context_frames:
        raise ValueError(
            f"config.data.previous={data.previous}: holds no {config.model.context_frames} context frames "
            "(config.model.context_frames)"
        )
    if not 0 < config.overlap_frames < config.model.segment_frames:
        raise ValueError(
            f"config.overlap_frames={config.overlap_frames}: must lie between 0 and config.model.segment_frames="
            f"{config.model.segment_frames}"
        )


def figures(run: Run, data: Data) -> list[Result]:
    """Dances generated for whole held-out songs, each at its own length, from each clip's first pose, beside the real
    dances."""
    records = data.records(["poses", "music", "beats", "song"])
    frames = [min(len(record["poses"]), len(record["music"])) for record in records]
    songs = [
        dances.Song(np.zeros(0, np.float32), record["music"][:count])
        for record, count in zip(records, frames, strict=True)
    ]
    given = [dances.tokens_of(run, record["poses"][:1]) for record in records]

    def danced(rows: Sequence[int]) -> tuple[np.ndarray, ...]:
        chosen = ([column[i] for i in rows] for column in (songs, given))
        made = dances.choreograph(run, *chosen, max(frames), [data.seed + i for i in rows]) if rows else ()
        return tuple(dance.poses for dance in made)

    made = sharing.rows(len(records), danced)
    beats = [_by_frame(record["beats"], count) for record, count in zip(records, frames, strict=True)]
    real = [record["poses"][:count] for record, count in zip(records, frames, strict=True)]
    names = [record["song"] for record in records]
    return motion_results(MotionSet(made, music.FPS, names), MotionSet(real, music.FPS, names), beats, names)


def _by_frame(beats: np.ndarray, frames: int) -> np.ndarray:
    """(frames,) float32, 1 on a beat."""
    values = np.zeros(frames, np.float32)
    values[beats[beats < frames]] = 1
    return values


def samples(run: Run, data: Data) -> np.ndarray:
    """A video of skeletons: a dance to the song of each clip, from the clip's first pose."""
    records = data.records(["poses", "music"])
    frames = min([grids.VIDEO_FRAMES, *(len(record["music"]) for record in records)])
    songs = [dances.Song(np.zeros(0, np.float32), record["music"]) for record in records]
    given = [dances.tokens_of(run, record["poses"][:1]) for record in records]
    made = dances.choreograph(run, songs, given, frames, [data.seed] * len(records), quiet=True)
    return grids.tile([grids.skeletons(dance.poses) for dance in made])
