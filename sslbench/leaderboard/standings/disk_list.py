"""Store a sequence on disk that is too large for memory.

Small sequences stay in memory. Large ones are temporary files in `TMPDIR`, which should not be a file system in memory.
Only the process that pickled a value reads it again. Nothing from a bundle is unpickled.
"""

from __future__ import annotations

import pickle
from array import array
from collections.abc import Callable, Iterable, Iterator
from tempfile import SpooledTemporaryFile
from typing import Any, Generic, TypeVar, overload

Value = TypeVar("Value")
MEMORY_BYTES = 1 << 20
"""Size in bytes up to which a list stays in memory."""
LENGTH_BYTES = 8
"""Bytes that hold the length of a value."""


class DiskList(Generic[Value]):
    """A list of pickled values on disk; memory holds only their offsets.

    Iterating reads one value at a time. A slice or another order is a new list over the same file. The file has no name and
    is deleted with the last list. Dataclasses without slots are read several times faster.
    """

    def __init__(self, values: Iterable[Value] = ()) -> None:
        self._file = SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115 - open as long as the list exists
        self._places = array("Q")
        for value in values:
            self.append(value)

    def append(self, value: Value) -> None:
        """Append a value."""
        written = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        self._places.append(self._file.seek(0, 2))
        self._file.write(len(written).to_bytes(LENGTH_BYTES) + written)

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[Value]:
        return (self._read(place) for place in self._places)

    @overload
    def __getitem__(self, key: int) -> Value: ...
    @overload
    def __getitem__(self, key: slice) -> DiskList[Value]: ...
    def __getitem__(self, key: int | slice) -> Value | DiskList[Value]:
        return self._view(self._places[key]) if isinstance(key, slice) else self._read(self._places[key])

    def sorted_by(self, key: Callable[[Value], Any]) -> DiskList[Value]:
        """Return the values sorted by a key; all keys are in memory at once."""
        keys = [key(value) for value in self]
        return self.take(sorted(range(len(keys)), key=keys.__getitem__))

    def take(self, order: Iterable[int]) -> DiskList[Value]:
        """Return the values at these positions, in this order."""
        return self._view(array("Q", (self._places[place] for place in order)))

    def _view(self, places: array[int]) -> DiskList[Value]:
        other: DiskList[Value] = DiskList.__new__(DiskList)
        other._file, other._places = self._file, places
        return other

    def _read(self, place: int) -> Value:
        self._file.seek(place)
        size = int.from_bytes(self._file.read(LENGTH_BYTES))
        value: Value = pickle.loads(self._file.read(size))  # noqa: S301 - no other process can write to a file without a name
        return value
