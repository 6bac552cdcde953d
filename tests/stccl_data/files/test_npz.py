"""npz files of plain arrays."""

import io
import zipfile

import numpy as np
import pytest

from stccl_data.files.npz import npz_arrays, npz_bytes

ARRAYS = {
    "b": np.arange(3),
    "a": np.array(2.5),
    "c": np.zeros((0, 2), np.float32),
    "d": np.asfortranarray(np.ones((2, 3))),
}


def test_arrays_are_read_as_they_were_written_in_the_same_order():
    arrays = npz_arrays(npz_bytes(ARRAYS))
    assert list(arrays) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
        np.testing.assert_array_equal(arrays[name], array)
    assert list(npz_arrays(npz_bytes(ARRAYS), ["a", "missing"])) == ["a"]


def test_the_same_arrays_give_the_same_bytes():
    data = npz_bytes(ARRAYS)
    assert data == npz_bytes(ARRAYS)
    entries = zipfile.ZipFile(io.BytesIO(data)).infolist()
    assert {entry.date_time[0] for entry in entries} == {1980}  # no time of writing


def test_python_objects_are_neither_written_nor_read():
    with pytest.raises(ValueError, match="bject"):
        npz_bytes({"x": np.array([object()])})
    pickled = io.BytesIO()
    np.savez(pickled, x=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="bject"):
        npz_arrays(pickled.getvalue())


def test_a_truncated_file_is_an_error():
    data = npz_bytes(ARRAYS)
    with pytest.raises(ValueError, match="npz"):
        npz_arrays(data[: len(data) // 2])
