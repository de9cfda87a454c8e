"""The vocabulary of the dancers: for each genre a verse and a chorus pattern of key poses."""

from typing import Final

import numpy as np

from data_pipeline.toy.figure import PARAMETER, PARAMETERS

# An arm is (raise, forward, elbow, reach): see figure.py. 0 hangs down, pi/2 is level, pi points up.
_ARMS: Final = {
    "down": (0.25, 0.0, -0.1, 0.15),
    "low": (0.5, 0.1, 0.1, 0.2),
    "out": (1.4, 0.2, 0.3, 0.4),
    "up": (2.75, 0.0, 0.2, 0.0),
    "high": (2.35, 0.1, 0.6, 0.0),
    "flex": (1.45, 0.1, 1.6, 0.1),
    "halo": (2.1, 0.0, 1.7, 0.0),
    "hip": (0.8, -0.1, -1.9, 0.1),
    "chest": (0.75, 0.2, -2.3, 0.4),
    "punch": (1.1, 0.8, -0.6, 1.0),
    "across": (0.6, 0.5, -1.5, 0.5),
    "behind": (0.45, -0.5, -1.25, -0.55),
    "goal": (1.4, 0.2, -1.6, 0.2),
}
# A hand is (wrist, open, spread).
_HANDS: Final = {
    "fist": (0.0, 0.0, 0.2), "open": (0.0, 1.0, 1.0), "flat": (0.35, 0.95, 0.1), "loose": (-0.3, 0.55, 0.5),
}


def _key(
    right: str, left: str, hands: tuple[str, str], x: float = 0.0, drop: float = 0.03, lean: float = 0.0,
    bend: float = 0.0, yaw: float = 0.0, head_yaw: float = 0.0, nod: float = 0.0, tilt: float = 0.0,
    steps: tuple[float, float] = (0.1, 0.1), lifts: tuple[float, float] = (0.0, 0.0),
) -> np.ndarray:
    """One key pose as a row of PARAMETERS; pairs are (right, left)."""
    sides = [
        (*_ARMS[arm], *_HANDS[hand], step, lift)
        for arm, hand, step, lift in zip((right, left), hands, steps, lifts, strict=True)
    ]
    return np.array([x, drop, lean, bend, yaw, head_yaw, nod, tilt, *sides[0], *sides[1]])


def mirror(key: np.ndarray) -> np.ndarray:
    """The same pose for the other side."""
    out = key.copy()
    for name in ("x", "lean", "yaw", "head_yaw", "tilt"):
        out[PARAMETER[name]] *= -1.0
    half = PARAMETER["left_raise"]
    start = PARAMETER["right_raise"]
    out[start:half], out[half:] = key[half:], key[start:half]
    return out


_FISTS, _OPENS, _FLATS = ("fist", "fist"), ("open", "open"), ("flat", "flat")
_HIPHOP = (
    (
        _key("hip", "punch", ("loose", "fist"), x=-0.17, drop=0.09, lean=0.2, yaw=0.4, nod=0.3, steps=(0.15, 0.11)),
        _key("up", "chest", ("open", "fist"), x=0.0, drop=0.02, lean=0.1, head_yaw=-0.5, nod=-0.25),
        _key("flex", "chest", ("open", "fist"), x=0.17, drop=0.1, lean=-0.2, yaw=-0.4, nod=0.3, steps=(0.11, 0.15)),
        _key("low", "low", _OPENS, x=0.0, drop=0.02, head_yaw=0.5, tilt=0.2, nod=-0.1, lifts=(0.0, 0.13)),
    ),
    (
        _key("flex", "flex", _FISTS, x=-0.13, drop=0.12, bend=0.3, nod=0.35, steps=(0.15, 0.15)),
        _key("low", "behind", ("open", "loose"), x=0.0, drop=0.01, lean=0.15, yaw=0.5, head_yaw=0.7),
        _key("across", "across", _FISTS, x=0.17, drop=0.12, bend=0.25, nod=0.35, steps=(0.14, 0.14)),
        _key("up", "up", _OPENS, x=0.0, drop=0.0, lean=-0.15, nod=-0.3),
    ),
)
_HOUSE = (
    (
        _key("down", "flex", ("fist", "open"), x=-0.21, drop=0.03, lean=0.15, head_yaw=-0.7, steps=(0.09, 0.12)),
        _key("chest", "chest", _FISTS, x=-0.03, drop=0.09, bend=0.15, nod=0.25, lifts=(0.12, 0.0)),
        _key("flex", "down", ("open", "fist"), x=0.21, drop=0.03, lean=-0.15, head_yaw=0.7, steps=(0.12, 0.09)),
        _key("hip", "hip", _FISTS, x=0.03, drop=0.09, bend=0.15, nod=0.25, lifts=(0.0, 0.12)),
    ),
    (
        _key("halo", "down", ("flat", "loose"), x=-0.19, drop=0.02, lean=0.2, tilt=-0.3, steps=(0.1, 0.13)),
        _key("low", "low", _OPENS, x=0.0, drop=0.08, lifts=(0.0, 0.2), steps=(0.1, 0.16)),
        _key("down", "halo", ("loose", "flat"), x=0.19, drop=0.02, lean=-0.2, tilt=0.3, steps=(0.13, 0.1)),
        _key("flex", "flex", _OPENS, x=0.0, drop=0.08, lifts=(0.2, 0.0), steps=(0.16, 0.1)),
    ),
)
_POP = (
    (
        _key("hip", "up", ("flat", "open"), x=-0.15, drop=0.02, lean=0.2, tilt=-0.25, steps=(0.1, 0.14)),
        _key("down", "out", ("fist", "open"), x=-0.19, drop=0.07, lean=0.05, head_yaw=0.8),
        _key("up", "hip", ("open", "flat"), x=0.15, drop=0.02, lean=-0.2, tilt=0.25, steps=(0.14, 0.1)),
        _key("goal", "goal", _FISTS, x=0.0, drop=0.11, steps=(0.15, 0.15), nod=0.2),
    ),
    (
        _key("high", "high", _OPENS, x=-0.13, drop=0.01, lean=0.1, nod=-0.2, steps=(0.09, 0.12)),
        _key("behind", "behind", _FISTS, x=0.0, drop=0.1, bend=0.2, head_yaw=-0.7, steps=(0.14, 0.14)),
        _key("high", "high", _FLATS, x=0.13, drop=0.01, lean=-0.1, nod=-0.2, steps=(0.12, 0.09)),
        _key("across", "low", ("fist", "open"), x=0.0, drop=0.05, yaw=-0.5, head_yaw=0.5, lifts=(0.15, 0.0)),
    ),
)
_HALFTIME = (
    (
        _key("halo", "halo", _FLATS, x=-0.17, drop=0.0, lean=0.2, tilt=-0.3, steps=(0.11, 0.15)),
        _key("goal", "goal", _OPENS, x=0.12, drop=0.13, lean=-0.15, bend=0.2, nod=0.3, steps=(0.15, 0.15)),
        _key("up", "low", ("open", "flat"), drop=0.0, lean=0.2, head_yaw=0.6, lifts=(0.0, 0.22), steps=(0.1, 0.15)),
        _key("chest", "behind", ("fist", "loose"), x=0.0, drop=0.12, lean=-0.2, yaw=0.6, head_yaw=-0.3, nod=0.3),
    ),
    (
        _key("up", "up", _OPENS, x=0.17, drop=0.0, nod=-0.3),
        _key("across", "across", _FISTS, x=-0.17, drop=0.14, bend=0.35, nod=0.4, steps=(0.15, 0.15)),
        _key("out", "chest", ("flat", "fist"), x=0.15, drop=0.02, lean=-0.2, head_yaw=-0.8, steps=(0.1, 0.15)),
        _key("hip", "hip", _FISTS, x=-0.13, drop=0.08, lean=0.2, tilt=0.3, lifts=(0.15, 0.0)),
    ),
)

# One dance of eight counts, the same to every song: no genre has any of its pairs of arms. Fine-tuning learns it.
CHOREOGRAPHY: Final = np.stack([
    _key("out", "out", _FLATS, x=-0.16, drop=0.04, lean=0.15, head_yaw=-0.4, steps=(0.14, 0.11)),
    _key("halo", "punch", ("open", "fist"), x=-0.05, drop=0.11, bend=0.2, nod=0.25, steps=(0.14, 0.14)),
    _key("goal", "up", ("fist", "open"), x=0.1, drop=0.01, lean=-0.15, tilt=0.25, steps=(0.1, 0.13)),
    _key("halo", "hip", ("flat", "fist"), x=0.17, drop=0.08, yaw=-0.4, head_yaw=0.5, steps=(0.12, 0.15)),
    _key("across", "out", ("fist", "flat"), x=0.02, drop=0.03, lean=0.2, yaw=0.4, lifts=(0.0, 0.15)),
    _key("high", "chest", ("open", "fist"), x=-0.14, drop=0.12, lean=-0.1, nod=0.3, steps=(0.15, 0.13)),
    _key("up", "behind", ("open", "loose"), x=0.03, drop=0.0, lean=0.1, head_yaw=0.7, nod=-0.25),
    _key("flex", "low", ("fist", "open"), x=0.15, drop=0.09, bend=0.2, tilt=-0.25, lifts=(0.13, 0.0)),
])
CHOREOGRAPHY_BOUNCE: Final = 0.015  # statures

# PATTERNS[genre][section]: (4, parameters); BEATS_PER_MOVE[genre]: beats from one key pose to the next;
# MIRRORED[genre]: every other round of the four is danced to the other side.
PATTERNS: Final = tuple(tuple(np.stack(p) for p in style) for style in (_HIPHOP, _HOUSE, _POP, _HALFTIME))
BEATS_PER_MOVE: Final = (1, 1, 1, 2)
MIRRORED: Final = (True, False, True, True)
BOUNCE: Final = (0.025, 0.015, 0.015, 0.012)  # statures
NEUTRAL: Final = _key("down", "down", ("loose", "loose"))

if any(pattern.shape != (4, len(PARAMETERS)) for style in PATTERNS for pattern in style):
    raise AssertionError("toy moves: every pattern has four key poses")
