import pickle

import numpy as np
import pytest

from data_pipeline import music

NAME = "made6"


def _stored(path, rows, **more):
    if path.suffix == ".npz":
        np.savez(path, **{more.pop("called", "features"): rows}, **more)
    else:
        np.save(path, rows)
    return path


def _ramp(count, rate):
    """Rows that say when they are, in seconds, in every column."""
    return np.repeat(np.arange(count)[:, None] / rate, 6, axis=1)


@pytest.mark.parametrize("name", ["a.npy", "a.npz"])
def test_features_at_30_rows_a_second_are_the_files_own(tmp_path, name):
    rows = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    found = music.arrays.read(_stored(tmp_path / name, rows), NAME, 30.0)
    np.testing.assert_array_equal(found, rows)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(music.arrays.read(tmp_path / name, NAME, 30, 25), rows[:25])


@pytest.mark.parametrize("rate", [7.5, 25, 60, 75, 344.53])
def test_rows_keep_their_time_at_any_rate(tmp_path, rate):
    path = _stored(tmp_path / "a.npy", _ramp(round(4 * rate), rate).astype(np.float16 if rate == 25 else np.float64))
    found = music.arrays.read(path, NAME, rate)
    assert found.shape == (120, 6)
    inside = slice(2, -5)  # at the ends a triangle has one side alone
    np.testing.assert_allclose(found[inside], _ramp(120, 30)[inside], atol=2e-3 if rate == 25 else 1e-5)


def test_fast_features_are_averaged_and_do_not_alias(tmp_path):
    rows = np.ones((3000, 6))
    rows[::2] = -1  # 150 changes a second, sampled at 30 would be all ones or none
    found = music.arrays.read(_stored(tmp_path / "a.npy", rows), NAME, 300)
    assert np.abs(found[2:-2]).max() < 0.02


def test_features_that_end_early_repeat_their_last_row_up_to_half_a_second(tmp_path):
    rows = np.random.default_rng(0).normal(size=(30, 6)).astype(np.float32)
    path = _stored(tmp_path / "a.npy", rows)
    found = music.arrays.read(path, NAME, 30, 45)
    np.testing.assert_array_equal(found[:30], rows)
    np.testing.assert_array_equal(found[30:], np.repeat(rows[-1:], 15, axis=0))
    with pytest.raises(ValueError, match="a.npy: too short, 30 rows at 30 a second for 46 frames"):
        music.arrays.read(path, NAME, 30, 46)


def test_of_several_arrays_the_one_called_after_the_set_is_taken(tmp_path):
    rows, other = np.ones((30, 6), np.float32), np.zeros((3,))
    for called in (NAME, "features"):
        path = _stored(tmp_path / "a.npz", rows, called=called, other=other)
        np.testing.assert_array_equal(music.arrays.read(path, NAME, 30), rows)
    path = _stored(tmp_path / "a.npz", rows, called="hidden", other=other)
    with pytest.raises(ValueError, match=r"a\.npz: holds hidden, other; call the array features"):
        music.arrays.read(path, NAME, 30)


@pytest.mark.parametrize(
    ("rows", "rate", "message"),
    [
        (np.zeros((30, 5)), 30, r"float64 \(30, 5\), made6 has numbers \(rows, 6\)$"),
        (np.zeros((6, 30)), 30, r"turn it round"),
        (np.zeros((0, 6)), 30, r"\(0, 6\)"),
        (np.array([["a"] * 6] * 3), 30, "made6 has numbers"),
        (np.where(np.arange(180).reshape(30, 6) == 7, np.nan, 0), 30, "NaN"),
        (np.zeros((30, 6)), 0, "0 rows a second"),
        (np.zeros((30, 6)), float("nan"), "nan rows a second"),
        (np.array([{}] * 6), 30, "not a readable"),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_what_is_no_features_of_the_set_is_one_line_that_names_the_file(tmp_path, rows, rate, message, suffix):
    path = _stored(tmp_path / f"song{suffix}", rows)
    with pytest.raises(ValueError, match=message) as error:
        music.arrays.read(path, NAME, rate)
    assert str(error.value).startswith(str(path)) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.npy", b"\x93NUMPY nonsense", "not a readable .npy file"), ("a.npy", b"RIFF", "not a readable .npy file"),
        ("a.txt", b"1 2 3", "are .npy or .npz"), ("a.npz", b"PK", "not a readable .npz file"), ("a.npy", b"", "empty"),
        ("a.npy", pickle.dumps([1, 2]), "not a readable .npy file"),
    ],
)
def test_files_of_other_kinds_are_refused(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        music.arrays.read(tmp_path / name, NAME, 30)


def test_a_file_that_declares_more_than_it_holds_takes_no_memory(tmp_path):
    path = _stored(tmp_path / "a.npy", np.zeros((30, 6)))
    data = path.read_bytes().replace(b"(30, 6)", b"(3e9,6)").replace(b"(3e9,6)", b"(9**9,)")
    path.write_bytes(data)
    with pytest.raises(ValueError, match="not a readable .npy file"):
        music.arrays.read(path, NAME, 30)
    huge = np.lib.format.header_data_from_array_1_0(np.zeros((1, 6))) | {"shape": (10**12, 6)}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, huge)
        file.write(bytes(480))
    with pytest.raises(ValueError, match="not a readable .npy file"):
        music.arrays.read(path, NAME, 30)
