"""A sequence that lies on disk: values too many for memory, written once and read one at a time, whatever they are.

Of little there is no file; large ones lie where temporary files do (`TMPDIR`), which should be no memory itself.
What is pickled here is read by the process that wrote it and by nobody else; nothing of a bundle is ever unpickled.
"""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Callable, Iterable, Iterator
from tempfile import SpooledTemporaryFile
from typing import Any, Generic, TypeVar, overload

Value = TypeVar("One")
MEMORY_BYTES = 1 << 20
"""Bytes up to which a spool stays in memory."""
LENGTH_BYTES = 8
"""Bytes that say how long a value is."""


class DiskList(Generic[Value]):
    """Values in the order in which they were put; what stays of each in memory is where it lies.

    Iterating reads one after another; a slice, or values in another order, is a spool over the same file. The file has no
    name and goes with the last spool. Dataclasses without slots are read several times faster.
    """

    def __init__(self, values: Iterable[Value] = ()) -> None:
        self._file = SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115 - it lives as long as the spool does
        self._places = array("Q")
        for value in values:
            self.append(value)

    def append(self, value: Value) -> None:
        """Put a value at the end."""
        written = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        self._places.append(self._file.seek(0, 2))
        self._file.write(len(written).to_bytes(LENGTH_BYTES) + written)

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Value]:
        return (self._read(place) for place in self._places)

    @overload
    def __getitem__(self, at: int) -> Value: ...
    @overload
    def __getitem__(self, at: slice) -> DiskList[Value]: ...
    def __getitem__(self, at: int | slice) -> Value | DiskList[Value]:
        return self._view(self._places[at]) if isinstance(at, slice) else self._read(self._places[at])

    def sorted_by(self, key: Callable[[Value], Any]) -> DiskList[Value]:
        """The same values in the order of a key, of which all are in memory meanwhile."""
        keys = [key(value) for value in self]
        return self.take(sorted(range(len(keys)), key=keys.__getitem__))

    def take(self, order: Iterable[int]) -> DiskList[Value]:
        """Some of the values, in this order."""
        return self._view(array("Q", (self._places[place] for place in order)))

    def _view(self, places: array[int]) -> DiskList[Value]:
        other: DiskList[Value] = DiskList.__new__(DiskList)
        other._file, other._places = self._file, places
        return other

    def _read(self, place: int) -> Value:
        self._file.seek(place)
        size = int.from_bytes(self._file.read(LENGTH_BYTES))
        value: Value = pickle.loads(self._file.read(size))  # noqa: S301 - nobody else can write to a file without a name
        return value
