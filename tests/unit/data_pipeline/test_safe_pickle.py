import collections
import datetime
import os
import pickle
import struct

import numpy as np
import pytest

from data_pipeline import safe_pickle
from data_pipeline.safe_pickle import RefusedError, load, loads

PLAIN = {
    "a": np.arange(12.0).reshape(3, 4), "columns": np.asfortranarray(np.arange(6, dtype=">f4").reshape(2, 3)),
    "bytes": np.arange(5, dtype=np.uint8), "one": np.float64(2.5), "texts": np.array(["x", "yz"]), "none": None,
    "whole": [1, 2.5, True, "text", b"raw", (3, [4])], "empty": np.zeros((0, 17, 3), np.float32), 1: {"deep": [[]]},
    "sliced": np.arange(10.0)[::3], "no axis": np.array(7, np.int16), "yes": np.array([True, False]),
}  # fmt: skip


def _same(a, b):
    if isinstance(b, np.ndarray | np.generic):
        assert a.dtype == b.dtype and a.shape == b.shape
        np.testing.assert_array_equal(a, b)
    elif isinstance(b, dict):
        assert list(a) == list(b)
        for key in b:
            _same(a[key], b[key])
    else:
        assert a == b and type(a) is type(b)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_what_numpy_and_python_write_comes_back(tmp_path, protocol):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(PLAIN, protocol))
    _same(load(tmp_path / "a.pkl"), PLAIN)


def test_pickles_of_numpy_1_and_of_python_2_are_read():
    old = pickle.dumps(np.arange(4.0), 2).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    np.testing.assert_array_equal(loads(old), np.arange(4.0))
    start = b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02\x85"
    kind = b"cnumpy\ndtype\nU\x02f8K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    content = start + kind + b"\x89U\x10" + np.array([1.0, 0.5]).tobytes() + b"tb."  # as Python 2 writes protocol 2
    np.testing.assert_array_equal(loads(content), [1.0, 0.5])


def test_objects_of_an_array_are_a_list():
    frames = np.empty(2, object)
    frames[:] = [{"x": np.ones(3)}, {"x": np.zeros(3)}]
    _same(loads(pickle.dumps(frames))[1], {"x": np.zeros(3)})
    whole = np.empty((), object)
    whole[()] = {"x": np.ones(2)}
    _same(loads(pickle.dumps(whole)), {"x": np.ones(2)})
    assert loads(pickle.dumps(collections.OrderedDict(a=1))) == {"a": 1}


class _Calls:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    ("call", "name"),
    [
        (_Calls(os.system, "touch pwned"), "posix.system"),
        (_Calls(eval, "open('pwned', 'w')"), r"(__builtin__|builtins).eval"),
        (_Calls(getattr, 1, "real"), r"(__builtin__|builtins).getattr"),
        (_Calls(np.fromfile, "x"), r"numpy.*fromfile"),
        (_Calls(np.zeros, 1 << 40), r"numpy.*zeros"),
        (datetime.date(2000, 1, 1), "datetime.date"),
        (_Calls(bytearray, 1 << 40), r"(__builtin__|builtins).bytearray"),
    ],
)  # fmt: skip
def test_whatever_else_is_asked_for_is_refused_by_name_and_not_done(tmp_path, monkeypatch, protocol, call, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.pkl").write_bytes(pickle.dumps({"keypoints": [call]}, protocol))
    with pytest.raises(RefusedError, match=f"a.pkl: not a pickle of plain data .it asks for {name}, which is") as error:
        load(tmp_path / "a.pkl")
    assert "\n" not in str(error.value) and not (tmp_path / "pwned").exists()


def _array(shape=(2,), dtype="f8", content=b"\0" * 16, order="<", fields=None):
    """A pickle of an array that says of itself what it is told to."""
    made = b"\x80\x03cnumpy._core.multiarray\n_reconstruct\n"
    made += pickle.dumps((0,), 3)[2:-1] + b"\x85R"
    kind = b"cnumpy\ndtype\n" + pickle.dumps((dtype, False, True), 3)[2:-1] + b"R"
    kind += pickle.dumps((3, order, None, fields, fields, -1, -1, 0), 3)[2:-1] + b"b"
    return made + b"(" + pickle.dumps(1, 3)[2:-1] + pickle.dumps(shape, 3)[2:-1] + kind + b"\x89" + (
        pickle.dumps(content, 3)[2:-1] + b"tb."
    )


def test_an_array_that_is_what_it_says():
    np.testing.assert_array_equal(loads(_array()), [0, 0])


@pytest.mark.parametrize(
    "content",
    [
        _array(shape=(1 << 40,)), _array(shape=(1 << 62, 4)), _array(shape=(-1,)), _array(shape=("2",)),
        _array(shape=[2]), _array(content=5), _array(content=b""), _array(order="x"), _array(dtype="V0"),
        _array(dtype="f8,f8"), _array(dtype="O", content=b"\0" * 16), _array(dtype="O", content=[1], shape=(1 << 40,)),
        _array(dtype="f9"), _array(dtype="U0"), _array(fields=("a",)), _array(dtype=3), _array(dtype="m8[s]"),
        _array(dtype="O", content=[1, 2, 3, 4], shape=(2, 2)),
    ],
    ids=range(18),
)  # fmt: skip
def test_an_array_that_is_not_what_it_says_is_refused(content):
    with pytest.raises(RefusedError) as error:
        loads(content)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        b"\x80\x04\x8e" + struct.pack("<Q", 1 << 50) + b"x.",  # bytes that are not there
        b"\x80\x04\x95" + struct.pack("<Q", 1 << 50) + b"N.",  # a frame that is not there
        b"\x80\x02]r" + struct.pack("<I", 0xFFFFFF00) + b".",  # the memo grows to an index
        b"]p4000000000\n.", b"", b"\x80", b".", b"0.", b"\x80\x63N.", b"I" + b"9" * 10_000 + b"\n.", b"\xff" * 99,
        b"\x80\x02\x82\x01.", b"Pname\n.", b"cnumpy\nndarray\n.", b"cnumpy\ndtype\n(S'f8'\ntR.",
        b"cnumpy\ndtype\n(S'f8'\ntR}S'code'\nS'O'\nsb.", b"cnumpy\nndarray\n)R.", b"\x80\x02cnumpy\nndarray\n)\x81.",
    ],
    ids=range(18),
)  # fmt: skip
def test_what_takes_memory_or_is_no_pickle_is_refused(content):
    with pytest.raises(RefusedError) as error:
        loads(content)
    assert "\n" not in str(error.value)


def test_lengths_and_codes_are_looked_at_before_the_unpickler_runs(monkeypatch):
    monkeypatch.setattr(safe_pickle, "_Reader", None)
    for content, message in {
        b"\x80\x02]r" + struct.pack("<I", 1 << 28) + b".": "LONG_BINPUT 268435456 after 3 steps",
        b"\x80\x02\x82\x01.": "EXT1 is refused", b"\x80\x05N\x98.": "READONLY_BUFFER is refused",
        b"\x80\x04\x95" + struct.pack("<Q", 1 << 50) + b"N.": "a frame of 1125899906842624 bytes; 13 are there",
    }.items():  # fmt: skip
        with pytest.raises(RefusedError, match=message):
            loads(content)


def test_shared_parts_are_walked_once():
    shared = [np.ones(1)]
    for _ in range(60):
        shared = [shared, shared]
    assert len(loads(pickle.dumps(shared))) == 2
    around = [1]
    around.append(around)
    assert loads(pickle.dumps(around))[0] == 1


def test_bytes_as_text_are_bounded(monkeypatch):
    monkeypatch.setattr(safe_pickle, "_MOST_TEXT", 99)
    with pytest.raises(RefusedError, match="too many of them"):
        loads(pickle.dumps([np.ones(8), np.zeros(8)], 2))
    monkeypatch.setattr(safe_pickle, "_MOST_STEPS", 9)
    with pytest.raises(RefusedError, match="more than 9 steps"):
        loads(pickle.dumps(list(range(20))))


def test_a_file_is_bounded_and_there(tmp_path, monkeypatch):
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(list(range(100))))
    monkeypatch.setattr(safe_pickle, "_LARGEST", 9)
    with pytest.raises(RefusedError, match=r"a.pkl: not a pickle of plain data .\d+ bytes; at most 9 are read"):
        load(tmp_path / "a.pkl")
    with pytest.raises(FileNotFoundError, match="b.pkl: no such file"):
        load(tmp_path / "b.pkl")
