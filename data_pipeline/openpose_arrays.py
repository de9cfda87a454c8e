"""OpenPose's joints as arrays, told apart by how many there are.

18, 25: the body alone, OpenPose's COCO order and BODY_25.
134: 18 + feet 6 + face 68 + left hand 21 + right hand 21, as DWPose and rtmlib give what they detect as 133.
135: OpenPose's own BODY_135, which is COCO's 17 + upper neck, head and feet 8 + left hand 20 + right hand 20 (without
    the wrists, which the body has) + face 70; or SMPLify-X's, BODY_25 + left hand 21 + right hand 21 + face 68.
137: BODY_25 + face 70 + left hand 21 + right hand 21, the order of OpenPose's .json files; or BODY_25 + left hand 21 +
    right hand 21 + face 70, the order of SMPLify-X and ExPose.
Where two orders have one number, the one holds whose hands lie at the body's wrists.
"""

from typing import Final, NamedTuple

import numpy as np

from data_pipeline.pose_formats import BODY25, COCO_BODY, assemble, body_of
from data_pipeline.skeleton import HAND_JOINTS, INDEX
from data_pipeline.unseen import placed

_HAND: Final = len(HAND_JOINTS)
_KNUCKLE: Final = 9  # of a hand: the middle finger's, by which orders are told apart


class _Order(NamedTuple):
    """Indices of our body, none where it is COCO's 17; of the left and the right hand, none where there are none."""

    body: tuple[int, ...]
    left: tuple[int, ...]
    right: tuple[int, ...]


def _order(body: tuple[int, ...], left: int, right: int) -> _Order:
    return _Order(body, tuple(range(left, left + _HAND)), tuple(range(right, right + _HAND)))


_BODY_135: Final = _Order(
    (), (COCO_BODY["left_wrist"], *range(25, 45)), (COCO_BODY["right_wrist"], *range(45, 65))
)  # fmt: skip
_BODY18: Final = tuple(range(18))
_ORDERS: Final = {
    18: (_Order(_BODY18, (), ()),),
    25: (_Order(BODY25, (), ()),),
    134: (_order(_BODY18, 92, 113),),
    135: (_BODY_135, _order(BODY25, 25, 46)),
    137: (_order(BODY25, 95, 116), _order(BODY25, 25, 46)),
}
COUNTS: Final = tuple(_ORDERS)


def from_openpose(keypoints: np.ndarray) -> np.ndarray:
    """Marked joints (..., N, 3), N one of COUNTS, of one clip, to (..., 60, 3)."""
    orders = _ORDERS[keypoints.shape[-2]]
    order = min(orders, key=lambda order: _gap(keypoints, order)) if len(orders) > 1 else orders[0]
    return assemble(_body(keypoints, order), *(_hand(keypoints, hand) for hand in (order.left, order.right)))


def _body(keypoints: np.ndarray, order: _Order) -> np.ndarray:
    return keypoints[..., order.body, :] if order.body else body_of(keypoints, COCO_BODY)


def _hand(keypoints: np.ndarray, indices: tuple[int, ...]) -> np.ndarray:
    return keypoints[..., indices, :] if indices else np.array((np.nan, np.nan, 0), np.float32)


def _gap(keypoints: np.ndarray, order: _Order) -> float:
    """The median distance of a knuckle from the wrist of its arm, in pixels; infinite where neither hand is seen."""
    body = _body(keypoints, order)
    wrists = body[..., (INDEX["left_wrist"], INDEX["right_wrist"]), :]
    knuckles = keypoints[..., (order.left[_KNUCKLE], order.right[_KNUCKLE]), :]
    both = placed(wrists) & placed(knuckles)
    gaps = np.linalg.norm(wrists[..., :2] - knuckles[..., :2], axis=-1)[both]
    return float(np.median(gaps)) if len(gaps) else np.inf


__all__ = ["COUNTS", "from_openpose"]
