"""Motion capture in .bvh files: the skeleton's hierarchy, and where its joints lie in each frame.

The format does not say which joint is which; the four habits of naming them that are common are known, with "Left" and
"Right" or "L" and "R" before the word.
"""

import math
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from data_pipeline.files import existing
from data_pipeline.smpl import from_named

_LARGEST: Final = 256 << 20  # bytes of a file
_JOINTS: Final = ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
_WORDS: Final = (  # for these six; the first is also Mixamo's and Rokoko's, where a shoulder is the collar bone
    ("arm", "forearm", "hand", "upleg", "leg", "foot"),
    ("shoulder", "elbow", "wrist", "hip", "knee", "ankle"),
    ("uparm", "lowarm", "hand", "upleg", "lowleg", "foot"),
    ("shldr", "forearm", "hand", "thigh", "shin", "foot"),
)
_SIDES: Final = (("left", "right"), ("l", "r"))
_FINGERS: Final = {"thumb": "thumb", "index": "index", "middle": "middle", "ring": "ring", "pinky": "little"}


class _Node(NamedTuple):
    """name: "" for the end of a chain. parent: -1 for the root. channels: such as "Xposition", in order."""

    name: str
    parent: int
    offset: tuple[float, float, float]
    channels: tuple[str, ...]


def read_bvh(path: Path) -> tuple[np.ndarray, float]:
    """Our joints (F, 60, 3) in the file's unit, NaN for what it has not, and frames a second.

    Raises FileNotFoundError, or ValueError with what is wrong.
    """
    if existing(path).stat().st_size > _LARGEST:
        raise ValueError(f"{path.stat().st_size} bytes; at most {_LARGEST} are read")
    tokens = path.read_text(encoding="utf-8", errors="replace").split()
    nodes, rest = _hierarchy(tokens)
    values, seconds = _motion(rest, sum(len(node.channels) for node in nodes))
    return from_named(_positions(nodes, values), _names(nodes)), 1 / seconds


def _hierarchy(tokens: list[str]) -> tuple[list[_Node], list[str]]:
    """Nodes, parents first, and what comes after "MOTION"."""
    nodes, path, at = [], [], 0
    if not tokens or tokens[0].upper() != "HIERARCHY":
        raise ValueError("does not begin with HIERARCHY")
    while at < len(tokens):
        word = tokens[at].upper()
        if word == "MOTION":
            break
        if word in ("ROOT", "JOINT", "END"):
            name = "" if word == "END" else tokens[at + 1]
            nodes.append(_Node(name, path[-1] if path else -1, (0.0, 0.0, 0.0), ()))
            at += 2
        elif word == "OFFSET":
            x, y, z = map(float, tokens[at + 1 : at + 4])
            nodes[-1] = nodes[-1]._replace(offset=(x, y, z))
            at += 4
        elif word == "CHANNELS":
            count = int(tokens[at + 1])
            nodes[-1] = nodes[-1]._replace(channels=tuple(tokens[at + 2 : at + 2 + count]))
            at += 2 + count
        else:
            if word == "{":
                path.append(len(nodes) - 1)
            elif word == "}":
                path.pop()
            at += 1
    if path or sum(node.parent < 0 for node in nodes) != 1:
        raise ValueError("its hierarchy is not one closed tree")
    return nodes, tokens[at + 1 :]


def _motion(tokens: list[str], channels: int) -> tuple[np.ndarray, float]:
    """(F, channels) numbers, and seconds between frames."""
    head = [token.upper() for token in tokens[:5]]
    if head[:1] != ["FRAMES:"] or head[2:4] != ["FRAME", "TIME:"]:
        raise ValueError('without "MOTION", "Frames:" and "Frame Time:"')
    frames, seconds = int(tokens[1]), float(tokens[4])
    if frames < 1 or not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"{frames} frames, each of {seconds} s")
    if len(tokens) - 5 != frames * channels:
        raise ValueError(f"{len(tokens) - 5} numbers; {frames} frames of {channels} channels need {frames * channels}")
    return np.array(tokens[5:], np.float64).reshape(frames, channels), seconds


def _positions(nodes: list[_Node], values: np.ndarray) -> np.ndarray:
    """(F, nodes, 3). Rotations apply in the order of their channels; position channels stand for the offset."""
    turned, places, at = [], [], 0
    for node in nodes:
        own = dict(zip(node.channels, values[:, at : at + len(node.channels)].T, strict=True))
        at += len(node.channels)
        turns = [name for name in own if name[1:].lower() == "rotation"]
        moved = {name[0].upper(): own[name] for name in own if name[1:].lower() == "position"}
        order = "".join(name[0].upper() for name in turns)
        if not len(order) + len(moved) == len(own) == len(node.channels) or set(order).union(moved) - {*"XYZ"}:
            raise ValueError(f"{node.name}: unknown channels {' '.join(node.channels)}")
        local = np.broadcast_to(node.offset, (len(values), 3)).copy()
        for axis, column in moved.items():
            local[:, "XYZ".index(axis)] = column
        turn = Rotation.identity(len(values))
        if turns:
            turn = Rotation.from_euler(order, np.stack([own[name] for name in turns], axis=-1), degrees=True)
        parent = node.parent
        turned.append(turn if parent < 0 else turned[parent] * turn)
        places.append(local if parent < 0 else places[parent] + turned[parent].apply(local))
    return np.stack(places, axis=1)


def _names(nodes: list[_Node]) -> dict[str, int]:
    """Our joints -> nodes. Raises ValueError where body joints are not to be found."""
    index = {_plain(node.name): i for i, node in enumerate(nodes) if node.name}
    for sides in _SIDES:
        for words in _WORDS:
            wanted = {(ours, side + word) for side, ours in zip(sides, _SIDES[0], strict=True) for word in words}
            if all(name in index for _, name in wanted):
                body = {
                    f"{ours}_{joint}": index[side + word]
                    for side, ours in zip(sides, _SIDES[0], strict=True)
                    for joint, word in zip(_JOINTS, words, strict=True)
                }
                return body | _fingers(nodes, index, sides)
    names = ", ".join(node.name for node in nodes if node.name)
    raise ValueError(
        f"its joints are named in no known way ({names[:200]}); rename arms and legs to LeftArm, LeftForeArm, "
        "LeftHand, LeftUpLeg, LeftLeg, LeftFoot, and so on the right"
    )


def _fingers(nodes: list[_Node], index: dict[str, int], sides: tuple[str, str]) -> dict[str, int]:
    """Three joints and the tip of each finger that is there, LeftHandIndex1 to 3 and the end after it."""
    ends = {node.parent: i for i, node in enumerate(nodes) if not node.name}
    found = {}
    for side, ours in zip(sides, _SIDES[0], strict=True):
        for theirs, finger in _FINGERS.items():
            chain = [index.get(f"{side}hand{theirs}{k}") for k in (1, 2, 3)]
            chain.append(ends.get(chain[-1]))
            found |= {f"{ours}_hand_{finger}_{k}": node for k, node in enumerate(chain, 1) if node is not None}
        wrist = index.get(f"{side}hand", index.get(f"{side}wrist"))
        if wrist is not None and any(name.startswith(f"{ours}_hand") for name in found):
            found[f"{ours}_hand_wrist"] = wrist
    return found


def _plain(name: str) -> str:
    """Without what stands before a colon, Mixamo's prefix, and signs between words; in small letters."""
    name = name.rsplit(":", 1)[-1].lower().removeprefix("mixamorig")
    return "".join(letter for letter in name if letter.isalnum())


__all__ = ["read_bvh"]
