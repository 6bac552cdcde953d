"""The arrays of an npz member, all one-dimensional, of which only the needed values are read."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stccl_data.dataset.members import ByteRange, Members, ShardError, member_arrays


class ArrayTable:
    """The arrays of one npz member.

    If the index says where the values of each array lie, a range read fetches them. Otherwise (a
    stream, or an index of other origin) the member is read as a whole, and its checksums checked.
    """

    def __init__(
        self, members: Members, suffix: str, place: str, places: Mapping[str, ByteRange] | None
    ) -> None:
        """Create the table; nothing is read.

        Args:
            members: the members of the sample.
            suffix: the npz member.
            place: how messages name it.
            places: where the values of each array lie in the member, if the index says so.
        """
        self._members, self._suffix, self._place, self._places = members, suffix, place, places
        self._cache: dict[str, NDArray[Any]] = {}
        self._data: bytes | None = None

    def values(
        self, name: str, dtype: str, start: int = 0, stop: int | None = None
    ) -> NDArray[Any]:
        """Return values [start, stop) of an array, up to its end by default.

        Raises:
            ShardError: the array is missing, is of another type, or ends before `stop`.
        """
        if name in self._cache or self._places is None or (start, stop) == (0, None):
            whole = self._whole(name, dtype)
            stop = len(whole) if stop is None else stop
            if not 0 <= start <= stop <= len(whole):
                raise self._fault(f"{name} has {len(whole):,} values, not {stop:,}")
            return whole[start:stop]
        size = np.dtype(dtype).itemsize
        offset, length = self._range(name, dtype)
        stop = length // size if stop is None else stop
        if not 0 <= start <= stop <= length // size:
            raise self._fault(f"{name} has {length // size:,} values, not {stop:,}")
        data = self._members.read(self._suffix, offset + start * size, offset + stop * size)
        return np.frombuffer(data, dtype)

    def column(self, name: str, dtype: str, length: int) -> NDArray[Any]:
        """Return an array of this length. Raises ShardError as `values`, or if it has another."""
        column = self._whole(name, dtype)
        if len(column) != length:
            raise self._fault(f"{name} has {len(column):,} values instead of {length:,}")
        return column

    def count(self, name: str, dtype: str) -> int:
        """Return the number of values of an array. Raises ShardError as `values`."""
        if self._places is None:
            return len(self._whole(name, dtype))
        return self._range(name, dtype).size // np.dtype(dtype).itemsize

    def names(self) -> list[str]:
        """Return the names of the arrays in the order stored."""
        if self._places is not None:
            return list(self._places)
        return list(member_arrays(self._loaded(), self._place))

    def _whole(self, name: str, dtype: str) -> NDArray[Any]:
        if name not in self._cache:
            if self._places is not None:
                offset, length = self._range(name, dtype)
                data = self._members.read(self._suffix, offset, offset + length)
                array = np.frombuffer(data, dtype)
            else:
                arrays = member_arrays(self._loaded(), self._place, [name])
                if name not in arrays:
                    raise self._fault(f"the array {name} is missing")
                array = arrays[name]
                if array.dtype != dtype or array.ndim != 1:
                    raise self._fault(f"{name} is not a one-dimensional {dtype} array")
            self._cache[name] = array
        return self._cache[name]

    def _range(self, name: str, dtype: str) -> ByteRange:
        assert self._places is not None
        if name not in self._places:
            raise self._fault(f"the array {name} is missing")
        offset, length = self._places[name]
        if length % np.dtype(dtype).itemsize:
            raise self._fault(f"{name} is not a one-dimensional {dtype} array")
        return ByteRange(offset, length)

    def _loaded(self) -> bytes:
        if self._data is None:
            self._data = self._members.read(self._suffix)
        return self._data

    def _fault(self, what: str) -> ShardError:
        return ShardError(f"{self._place}: {what}; run `stccl verify`")
