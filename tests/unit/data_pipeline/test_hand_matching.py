import numpy as np
import pytest

from data_pipeline.hand_matching import arm, palm_distance, same_hand


def _body():
    body = np.ones((33, 4), np.float32)
    body[[11, 12, 23, 24], :2] = (120, 60), (80, 60), (115, 140), (85, 140)  # shoulders, and hips 80 below
    body[[13, 15, 19, 17], :2] = (140, 80), (140, 130), (145, 140), (135, 140)  # elbow, wrist 50 below, palm
    body[[14, 16], :2] = (60, 80), (60, 81)
    return body


def test_an_arm_is_its_forearm_and_at_least_half_the_torso():
    assert arm(_body(), "left") == pytest.approx(50) and arm(_body(), "right") == pytest.approx(40)


def test_a_palm_is_far_by_its_three_corners():
    hand = np.zeros((21, 3), np.float32)
    hand[[0, 5, 17], :2] = (140, 130), (145, 140), (135, 140)
    assert palm_distance(hand, _body(), "left") == 0
    assert palm_distance(hand + (30, 0, 0), _body(), "left") == pytest.approx(0.6)


def test_one_hand_seen_twice_is_one():
    hand = np.random.default_rng(0).uniform(0, 40, (21, 3))
    assert same_hand(hand, hand + 5) and not same_hand(hand, hand + (30, 0, 0))
