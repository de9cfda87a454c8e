"""Beat alignment of many motions beside chance, the real dances and the photo held still."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from xdancer_jax.evals.beat_alignment import BeatAlignment, nearest
from xdancer_jax.evals.bootstrap import Bootstrap
from xdancer_jax.evals.motion_set import Change, MotionSet, check_pairs, repeat_photo, same
from xdancer_jax.evals.protocols import Result, record


@dataclasses.dataclass(frozen=True)
class _Beats:
    """Beat frames of several motions or songs, and the frames within which they count."""

    frames: Sequence[np.ndarray]
    ends: np.ndarray

    def joined(self) -> tuple[np.ndarray, np.ndarray]:
        """All beats in one array, and whose they are."""
        owners = np.repeat(np.arange(len(self.frames)), [len(each) for each in self.frames])
        return np.concatenate([*self.frames, np.zeros(0, np.int64)]), owners


def beat_alignment_report(
    protocol: BeatAlignment,
    motions: MotionSet,
    beats: Sequence[np.ndarray],
    *,
    songs: Sequence[str] = (),
    truth: MotionSet | None = None,
) -> Result:
    """Scores motions against their songs' beats, one value per frame of the song, nonzero on a beat.

    Values: "score" is the mean over the motions, between "low" and "high" by bootstrap over them; "chance" that of
    every motion against every other song's beats (no random draw); "repeat_photo" that of holding the first pose; with
    `truth`, the real dances to the same songs, also their "ground_truth" and "ground_truth_chance", and "fraction" =
    (score - chance) / (ground_truth - ground_truth_chance): 0 is chance and 1 as good as the real dances. Each has its
    own chance, since jitter, which makes motion beats everywhere, lifts both.

    Args:
      songs: name of each motion's song; motions of one song are not each other's chance. Empty: all differ.

    Raises:
      ValueError: numbers of motions, beat tracks and songs differ, or motions and truth do (motion_set.check_pairs).
    """
    songs = list(songs) or [str(i) for i in range(len(motions))]
    if not len(motions) == len(beats) == len(songs):
        raise ValueError(f"beat alignment: {len(motions)} motions, {len(beats)} beat tracks and {len(songs)} songs")
    scores, counted = score_matrix(protocol, motions, beats)
    own, others = np.diagonal(scores), _other_songs(scores, songs)
    still = np.diagonal(score_matrix(protocol, motions, beats, repeat_photo())[0])
    silent = [name for name, score in zip(motions.names, own, strict=True) if np.isnan(score)]
    low, high = Bootstrap()(own) if len(silent) < len(own) else (float("nan"),) * 2
    values = {"score": _mean(own), "low": low, "high": high, "chance": _mean(others), "repeat_photo": _mean(still)}
    counts = {"motions": len(motions), "without_music_beats": len(silent), **motions.lengths, **counted}
    if truth is not None:
        check_pairs(motions, truth)
        real, real_counted = score_matrix(protocol, truth, beats)
        values |= {"ground_truth": _mean(np.diagonal(real)), "ground_truth_chance": _mean(_other_songs(real, songs))}
        above = values["ground_truth"] - values["ground_truth_chance"]
        values["fraction"] = (values["score"] - values["chance"]) / above if above > 0 else float("nan")
        counts["ground_truth_motion_beats"] = real_counted["motion_beats"]
    notes = [f"no music beats, left out: {', '.join(silent)}"] if silent else []
    result = record(protocol, values, counts, notes)
    constants = {**result.constants, "fps": float(motions.fps), "interval": dataclasses.asdict(Bootstrap())}
    return dataclasses.replace(result, constants=constants)


def score_matrix(
    protocol: BeatAlignment, motions: MotionSet, beats: Sequence[np.ndarray], change: Change = same
) -> tuple[np.ndarray, dict[str, int]]:
    """(motions, songs): every motion, changed by `change`, against every song, over the frames that they share; NaN
    without music beats. And how many "music_beats" of the own songs and "motion_beats" there are."""
    rate = protocol.rate or motions.fps
    music = [protocol.music_beats(np.flatnonzero(song), motions.fps) for song in beats]
    songs = _Beats(music, np.array([protocol.frames(len(song), motions.fps) for song in beats]))
    found = [protocol.motion_beats(change(poses), motions.fps) for poses in motions.poses]
    dances = _Beats(found, np.array([protocol.frames(len(poses), motions.fps) for poses in motions.poses]))
    counts = {
        "music_beats": sum(int((song < end).sum()) for song, end in zip(music, dances.ends, strict=True)),
        "motion_beats": sum(map(len, found)),
    }
    if protocol.over == "music":
        return np.stack([_against(protocol, songs, dances, i, rate) for i in range(len(motions))]), counts
    table = np.stack([_against(protocol, dances, songs, j, rate) for j in range(len(music))], axis=1)
    for i, end in enumerate(dances.ends):
        table[i, [not (song < end).any() for song in music]] = np.nan
    return table, counts


def _against(protocol: BeatAlignment, asked: _Beats, others: _Beats, index: int, rate: float) -> np.ndarray:
    """Mean score of the beats of each of `asked` against those of others[index], of the frames that both have."""
    queries, owners = asked.joined()
    shared = np.minimum(asked.ends, others.ends[index])
    inside = queries < shared[owners]
    queries, owners = queries[inside], owners[inside]
    counts = np.bincount(owners, minlength=len(asked.ends))
    if len(others.frames[index]):
        gaps = nearest(queries, others.frames[index], shared[owners])
        sums = np.bincount(owners, protocol.kernel(gaps, rate), minlength=len(asked.ends))
    else:
        sums = np.zeros(len(asked.ends))
    empty = 0.0 if protocol.over == "motion" else np.nan
    return np.where(counts > 0, sums / np.maximum(counts, 1), empty)


def _other_songs(scores: np.ndarray, songs: Sequence[str]) -> np.ndarray:
    """Scores of every motion against the songs that are not its own."""
    names = np.array(songs)
    return scores[names[:, None] != names[None]]


def _mean(scores: np.ndarray) -> float:
    """Mean of the defined scores; NaN where there is none."""
    defined = scores[np.isfinite(scores)]
    return float(defined.mean()) if len(defined) else float("nan")


__all__ = ["beat_alignment_report", "score_matrix"]
