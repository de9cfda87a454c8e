"""Beat alignment on a time line: how fast the body moves, where it comes to a stop, and where the music's beats are."""

from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

from data_pipeline import music
from launch.reporting.drawing import PART, SERIES, svg
from xdancer_jax.evals.beat_alignment import BAS_MASKED_100MS, beat_frames, joint_speed

PROTOCOL = BAS_MASKED_100MS


def speed(poses: np.ndarray, fps: float = music.FPS) -> np.ndarray:
    """(F - 1,) half heights a second, as the protocol smooths it, of poses (F, 60, 3) in record coordinates."""
    found = joint_speed(poses, PROTOCOL.speed, PROTOCOL.min_confidence) * fps
    return gaussian_filter1d(found, PROTOCOL.smoothing_ms * fps / 1000) if len(found) else found


def chart(poses: np.ndarray, beats: np.ndarray | None, name: str, fps: float = music.FPS) -> str:
    """An <svg> of a dance of poses (F, 60, 3); beats: of its song, as the protocol takes them, or None."""
    moves, stops = speed(poses, fps), PROTOCOL.motion_beats(poses, fps)
    heard = np.zeros(0, int) if beats is None else beat_frames(beats)
    heard = heard[heard < len(poses)]
    score = PROTOCOL.align(stops, heard, fps).score
    aligned = f"{len(heard)} music beats, alignment {score:.2f} ({PROTOCOL.id})"
    says = f"{name}: speed of the body over {len(poses) / fps:.1f} s, {len(stops)} motion beats, " + (
        aligned if len(heard) else "beats of its music unknown"
    )

    def draw(axes: Any) -> None:
        axes.plot(np.arange(len(moves)) / fps, moves, color=SERIES[0], linewidth=1.2, label="half heights / s")
        for number, beat in enumerate(heard):
            axes.axvline(beat / fps, color=SERIES[1], linestyle="--", linewidth=0.9,
                         label="music beat" if number == 0 else None)  # fmt: skip
        if len(stops):
            axes.plot(stops / fps, moves[stops], "o", color=SERIES[2], markersize=5, label="motion beat")
        axes.set(xlabel="seconds", ylabel="half heights / s", xlim=(0, max(len(poses) - 1, 1) / fps))
        axes.set_ylim(bottom=0)
        axes.patch.set_gid(f"{PART}plane")
        axes.axvline(0, color=SERIES[4], linewidth=1.5).set_gid(f"{PART}now")  # the page's script moves it
        axes.legend(loc="upper right", ncols=3, bbox_to_anchor=(1, 1.3), fontsize=9, columnspacing=1, handlelength=1.2)

    return svg(draw, says, (5.6, 2.0)) + f"<figcaption>{says}</figcaption>"


__all__ = ["PROTOCOL", "chart", "speed"]
