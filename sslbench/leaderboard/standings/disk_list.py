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

One = TypeVar("One")
LITTLE = 1 << 20
"""Bytes up to which a spool stays in memory."""
WIDTH = 8
"""Bytes that say how long a value is."""


class Spool(Generic[One]):
    """Values in the order in which they were put; what stays of each in memory is where it lies.

    Iterating reads one after another; a slice, or values in another order, is a spool over the same file. The file has no
    name and goes with the last spool. Dataclasses without slots are read several times faster.
    """

    def __init__(self, values: Iterable[One] = ()) -> None:
        self._file = SpooledTemporaryFile(LITTLE)  # noqa: SIM115 - it lives as long as the spool does
        self._places = array("Q")
        for value in values:
            self.append(value)

    def append(self, value: One) -> None:
        """Put a value at the end."""
        written = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        self._places.append(self._file.seek(0, 2))
        self._file.write(len(written).to_bytes(WIDTH) + written)

    def __len__(self) -> int:
        return len(self._places)

    def __iter__(self) -> Iterator[One]:
        return (self._read(place) for place in self._places)

    @overload
    def __getitem__(self, at: int) -> One: ...
    @overload
    def __getitem__(self, at: slice) -> Spool[One]: ...
    def __getitem__(self, at: int | slice) -> One | Spool[One]:
        return self._over(self._places[at]) if isinstance(at, slice) else self._read(self._places[at])

    def by(self, key: Callable[[One], Any]) -> Spool[One]:
        """The same values in the order of a key, of which all are in memory meanwhile."""
        keys = [key(value) for value in self]
        return self.at(sorted(range(len(keys)), key=keys.__getitem__))

    def at(self, order: Iterable[int]) -> Spool[One]:
        """Some of the values, in this order."""
        return self._over(array("Q", (self._places[place] for place in order)))

    def _over(self, places: array[int]) -> Spool[One]:
        other: Spool[One] = Spool.__new__(Spool)
        other._file, other._places = self._file, places
        return other

    def _read(self, place: int) -> One:
        self._file.seek(place)
        size = int.from_bytes(self._file.read(WIDTH))
        value: One = pickle.loads(self._file.read(size))  # noqa: S301 - nobody else can write to a file without a name
        return value
