"""Open HDF5 files, and read rows of their arrays in blocks."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sslbench.api import DataBroken

BLOCK = 65_536
"""Rows that are read at once: one row at a time takes a hundred times longer."""


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """Open a file for reading; raises DataBroken for one that is truncated or in another format."""
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        reason = " ".join(str(error).split())
        raise DataBroken(f"{path}: is not a complete HDF5 file ({reason}). Download it again") from error
    with file:
        yield file


def find_array(file: h5py.File, name: str, setting: str) -> h5py.Dataset:
    """Return an array of a file; raises DataBroken that names the setting and the arrays of the file."""
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        has = ", ".join(sorted(file)[:8]) or "nothing"
        raise DataBroken(f"{setting}={name}: {file.filename} has no such array; it has: {has}. Name one of them")
    return found


class RowBlocks:
    """Rows of arrays of one length, read a block at a time; two blocks are in memory. Safe for several threads."""

    def __init__(self, path: Path, names: Sequence[str]) -> None:
        self.path, self.names = path, tuple(names)
        self._lock = threading.Lock()
        self._load = functools.lru_cache(maxsize=2)(self._read_block)

    def read(self, row: int) -> dict[str, NDArray[Any]]:
        """Return one row of every array."""
        with self._lock:
            block = self._load(row // BLOCK)
        return {name: values[row % BLOCK] for name, values in block.items()}

    def _read_block(self, block: int) -> dict[str, NDArray[Any]]:
        rows = slice(block * BLOCK, (block + 1) * BLOCK)
        with open_hdf5(self.path) as file:
            return {name: np.asarray(file[name][rows]) for name in self.names}
