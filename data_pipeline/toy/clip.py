"""Whole training clips, each a pure function of (seed, split, index)."""

import colorsys
from typing import Any, Final

import numpy as np

from data_pipeline.toy.dance import Motion, make_motion
from data_pipeline.toy.figure import Color, Dancer
from data_pipeline.toy.music import GENRES, Song, make_song
from data_pipeline.toy.render import render

SPLITS: Final = ("train", "test")
_FPS: Final = 30


def _color(rng: np.random.Generator, saturation: tuple[float, float], value: tuple[float, float]) -> Color:
    rgb = colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))
    return tuple(int(255 * c) for c in rgb)


def make_dancer(rng: np.random.Generator) -> Dancer:
    """A random person on a random stage; dark clothes on a light stage or the other way round."""
    light_stage = bool(rng.integers(2))
    stage, clothes = ((0.6, 0.75), (0.2, 0.4)) if light_stage else ((0.25, 0.38), (0.62, 0.85))
    tone = rng.uniform(0.5, 1.0)
    skin = tuple(int(tone * c) for c in (245, 205, 170))
    left, top = rng.uniform(-0.2, 0.6), rng.uniform(0.0, 0.3)
    return Dancer(
        stature=rng.uniform(1.52, 1.68), center=rng.uniform(-0.03, 0.03),
        floor=rng.uniform(0.84, 0.92) if rng.random() < 0.85 else rng.uniform(0.98, 1.08),
        torso=rng.uniform(0.27, 0.3), shoulder=rng.uniform(0.1, 0.125), hip=rng.uniform(0.055, 0.075),
        arm=rng.uniform(0.25, 0.28), leg=rng.uniform(0.45, 0.48), head=rng.uniform(0.075, 0.09),
        hand=rng.uniform(0.08, 0.095), girth=rng.uniform(0.9, 1.3), energy=rng.uniform(0.9, 1.1),
        skin=skin, hair=_color(rng, (0.2, 0.7), (0.1, 0.6)), shirt=_color(rng, (0.3, 0.75), clothes),
        trousers=_color(rng, (0.2, 0.8), clothes), shoes=_color(rng, (0.0, 0.8), clothes),
        wall=_color(rng, (0.05, 0.3), stage), ground=_color(rng, (0.1, 0.5), stage),
        decor=_color(rng, (0.1, 0.5), stage), decor_shape=int(rng.integers(3)),
        decor_box=(left, top, left + rng.uniform(0.3, 0.6), top + rng.uniform(0.2, 0.4)),
        hair_length=float(rng.choice((0.0, 0.0, 1.2, 2.0))), horizon=rng.uniform(0.75, 0.88),
    )


def make_clip(
    seed: int, index: int, split: str, num_frames: int = 360, height: int = 112, width: int = 64,
    render_frames: bool = True, choreography: bool = False,
) -> dict[str, Any]:
    """One clip at 30 fps with its song; the same arguments give the same bytes.

    The splits share the genres (genre = index modulo their number) and no song or dancer. With `choreography` every
    clip is the one dance moves.CHOREOGRAPHY, to other songs and by other dancers than those of the ordinary clips.

    Returns:
      id, song, dancer: str; style: int; fps: int; poses: (F, 60, 3) float32; audio: (samples,) int16;
      audio_rate: int; beat_times: (beats,) float64 seconds; frames: (F, H, W, 3) uint8 if render_frames.

    Raises:
      ValueError: if split is neither "train" nor "test".
    """
    song, dancer, motion = performed(seed, index, split, num_frames, width / height, choreography)
    name = f"toy-{'choreography-' if choreography else ''}{seed}-{split}-{index:05d}"
    clip = {
        "id": name, "song": f"{name}-song", "dancer": f"{name}-dancer", "style": song.genre, "fps": _FPS,
        "poses": motion.poses, "audio": np.round(song.audio * 32767.0).astype(np.int16), "audio_rate": song.sample_rate,
        "beat_times": song.beat_times,
    }
    if render_frames:
        clip["frames"] = render(motion.joints, dancer, height, width)
    return clip


def performed(
    seed: int, index: int, split: str, num_frames: int, aspect: float, choreography: bool = False
) -> tuple[Song, Dancer, Motion]:
    """What a clip is drawn from. Raises ValueError as make_clip does."""
    if split not in SPLITS:
        raise ValueError(f"toy clip: split {split!r} is not one of {SPLITS}")
    entropy = (seed, SPLITS.index(split), index)
    streams = range(3, 6) if choreography else range(3)
    song_rng, dancer_rng, dance_rng = (np.random.default_rng((*entropy, stream)) for stream in streams)
    song = make_song(song_rng, index % len(GENRES), num_frames / _FPS)
    dancer = make_dancer(dancer_rng)
    return song, dancer, make_motion(dance_rng, song, dancer, num_frames, _FPS, aspect, choreography)
