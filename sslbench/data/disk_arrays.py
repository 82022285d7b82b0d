"""Create memory-mapped arrays whose disk space is allocated first: writing to a map on a full disk kills the process."""

from __future__ import annotations

import errno
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sslbench.api.errors import DiskFull
from sslbench.environment import free_disk

FULL = (errno.ENOSPC, errno.EDQUOT)
UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP)
BLOCK = 2**20
RESERVE = 2**20
"""Bytes that stay free for the small files next to an array."""


def create_array(path: Path, dtype: DTypeLike, shape: tuple[int, ...]) -> NDArray[Any]:
    """Create a .npy file of zeros, allocate its space, and map it for writing.

    Raises DiskFull, and removes the file, if the disk has too little space.
    """
    require_space(path.parent, math.prod(shape) * np.dtype(dtype).itemsize)
    try:
        array: NDArray[Any] = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        with path.open("r+b") as file:
            _allocate(file.fileno(), path.stat().st_size)
    except OSError as error:
        path.unlink(missing_ok=True)
        if (full := find_disk_full(error, path.parent)) is not None:
            raise full from error
        raise
    return array


def require_space(folder: Path, needed: int) -> None:
    """Raise DiskFull if a folder's disk has less free space than `needed` bytes and a reserve."""
    if needed and (free := free_disk(folder)) < needed + RESERVE:
        space = f"{(needed + RESERVE) / 2**20:,.1f} MiB needed, {free / 2**20:,.1f} MiB free"
        raise DiskFull(_describe_space(folder, space))


def find_disk_full(error: BaseException, folder: Path) -> DiskFull | None:
    """Return the DiskFull error for an exception that reports a full disk by number or text; None for others."""
    if isinstance(error, DiskFull):
        return error
    if getattr(error, "errno", None) in FULL or os.strerror(errno.ENOSPC) in str(error):
        return DiskFull(_describe_space(folder, f"{free_disk(folder) / 2**20:,.1f} MiB free"))
    return None


def _describe_space(folder: Path, space: str) -> str:
    fix = "Free some space, or use a folder on another disk ($SSLBENCH_DATA for prepared data, --out for results)"
    return f"{folder}: its disk is full: {space}. {fix}; the same command then continues"


def _allocate(file: int, size: int) -> None:
    """Reserve the blocks of a sparse file, or write them if the system cannot reserve."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file, 0, size)
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
        else:
            return
    _write_zeros(file, size)


def _write_zeros(file: int, size: int) -> None:
    """Write zeros to every block of a file after its first one, which is kept."""
    kept = os.pread(file, BLOCK, 0)
    os.pwrite(file, kept, 0)
    for start in range(len(kept), size, BLOCK):
        os.pwrite(file, bytes(min(BLOCK, size - start)), start)
    os.fsync(file)
