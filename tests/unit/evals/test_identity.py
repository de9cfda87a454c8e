import numpy as np
import pytest

from xdancer_jax.evals.clips import Video, of_array
from xdancer_jax.evals.embedding import Embedder
from xdancer_jax.evals.identity import TEMPLATE, FaceFinder, IDSim, Person, similarity, warped

PLACES = np.asarray(TEMPLATE)
# Embeds the mean colour; a face is found where a frame is not black.
COLOUR = Embedder("mean colour", lambda faces: faces.mean(axis=(2, 3)) + 1)
NOT_BLACK = FaceFinder("not black", lambda frame: PLACES if frame.any() else None)
SIDE = 112


def video(name, *colours):
    frames = np.asarray(colours, np.uint8)[:, None, None]
    return of_array(name, 30.0, np.broadcast_to(frames, (len(colours), SIDE, SIDE, 3)))


def photo(*colour):
    return np.broadcast_to(np.asarray(colour, np.uint8), (SIDE, SIDE, 3))


def test_only_frames_with_a_face_count_and_the_rate_stands_beside():
    red, green = (255, 0, 0), (0, 255, 0)
    result = IDSim().report([Person(video("a", red, (0, 0, 0), green), photo(*red))], NOT_BLACK, COLOUR)
    assert result.values["score"] == pytest.approx((1 + 0) / 2)
    assert result.values["detection_rate"] == pytest.approx(2 / 3)
    assert result.counts["faces"] == 2 and result.counts["frames"] == 3
    assert result.source == {"weights": "mean colour", "face_finder": "not black"}


def test_videos_without_a_face_and_photos_without_one_are_counted():
    red = (255, 0, 0)
    people = [Person(video("a", (0, 0, 0)), photo(*red)), Person(video("b", red), photo(0, 0, 0)),
              Person(video("c", red), photo(*red)),
              Person(Video("d", 30.0, (2, SIDE, SIDE), lambda: [photo(*red)]), photo(*red))]
    result = IDSim(batch=2).report(people, NOT_BLACK, COLOUR)
    assert result.values["score"] == pytest.approx(1) and result.values["detection_rate"] == 0.5
    assert result.counts["videos_without_face"] == 1 and result.counts["photos_without_face"] == 1
    assert result.counts["made_unreadable"] == 1 and "no face in the photo of: b" in result.notes[-1]
    nobody = IDSim().report(people[:1], NOT_BLACK, COLOUR)
    assert np.isnan(nobody.values["score"]) and nobody.values["detection_rate"] == 0
    with pytest.raises(ValueError, match="no video of 1; no face in the photo of: b"):
        IDSim().report(people[1:2], NOT_BLACK, COLOUR)


def test_embeddings_that_are_no_numbers_are_named():
    broken = Embedder("nan", lambda faces: np.full((len(faces), 4), np.nan))
    with pytest.raises(ValueError, match="id_sim_arcface: photo of a: an embedding is not finite"):
        IDSim().report([Person(video("a", (9, 9, 9)), photo(9, 9, 9))], NOT_BLACK, broken)


def test_similarity_undoes_a_turn():
    angle, size = 0.4, 1.7
    turn = size * np.asarray([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    got = similarity(PLACES, PLACES @ turn.T + [3, -4])
    np.testing.assert_allclose(got, np.concatenate([turn, [[3], [-4]]], axis=1), atol=1e-9)
    with pytest.raises(ValueError, match="all in one place"):
        similarity(np.ones((5, 2)), PLACES)


def test_a_face_is_cut_out_where_its_landmarks_are():
    frame = np.random.default_rng(0).integers(0, 256, (140, 150, 3), dtype=np.uint8)
    got = IDSim().face(frame, PLACES + [20, 10])
    np.testing.assert_allclose(got * 127.5 + 127.5, frame[10 : 10 + SIDE, 20 : 20 + SIDE], atol=1e-3)


def test_warping_is_opencvs():
    cv2 = pytest.importorskip("cv2")
    smooth = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (60, 50, 3), dtype=np.uint8), (0, 0), 3)
    matrix = np.asarray([[1.3, -0.4, 5.0], [0.4, 1.3, -20.0]])
    want = cv2.warpAffine(smooth, matrix, (70, 70), borderValue=0)
    assert np.abs(warped(smooth, matrix, 70) - want).max() < 2.5  # theirs places in 1/32 pixels, in 8 bits


