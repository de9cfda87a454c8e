import io
import zipfile

import numpy as np
import pytest

from data_pipeline import npz_files


def test_wanted_arrays_are_read(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.arange(3), y=np.ones((2, 2), np.float32), z=np.array(["s"]))
    assert npz_files.names(tmp_path / "a.npz") == ["x", "y", "z"]
    found = npz_files.read(tmp_path / "a.npz", ("y", "x", "w"))
    assert found.keys() == {"x", "y"} and found["x"].tolist() == [0, 1, 2] and found["y"].shape == (2, 2)


def _npy(header: bytes, version=b"\x01\x00"):
    return b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            _npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000, 60, 3)}\n"),
            "declares 720000000000 bytes",
        ),
        (_npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 60"), "not a readable .npz"),
        (_npy(b"(" * 9000), "not a readable .npz"),
        (_npy(b"x", b"\x09\x00"), "unknown version|not a readable"),
        (b"nothing of numpy", "magic string"),
    ],
)
def test_headers_that_lie_are_one_line(tmp_path, content, message):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("poses.npy", content)
    with pytest.raises(npz_files.UnreadableError, match=message) as error:
        npz_files.read(tmp_path / "a.npz", ("poses",))
    assert "\n" not in str(error.value) and str(error.value).startswith(f"{tmp_path}/a.npz: not a readable .npz file")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (100_000_000, 1)}
    )
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.npy", "w") as file:
        file.write(header.getvalue())
        for _ in range(400):
            file.write(bytes(1_000_000))
    with pytest.raises(npz_files.UnreadableError, match="x.npy declares 400000000 bytes"):
        npz_files.read(tmp_path / "a.npz", ("x",))


def test_pickles_and_other_files_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{}], object))
    with pytest.raises(npz_files.UnreadableError, match="Object arrays"):
        npz_files.read(tmp_path / "a.npz", ("x",))
    (tmp_path / "b.npz").write_text("no archive")
    with pytest.raises(npz_files.UnreadableError, match="b.npz: not a readable .npz file .no zip archive"):
        npz_files.names(tmp_path / "b.npz")
    with pytest.raises(FileNotFoundError, match="c.npz"):
        npz_files.names(tmp_path / "c.npz")
