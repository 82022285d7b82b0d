"""Keep freed memory in glibc's heap while a training runs on the CPU.

Every step allocates the same large tensors. Above 32 MB glibc maps each one again, page by page, which takes a tenth of a
step, and a third at large batch sizes (`benchmarks/speed`). The heap then grows to the peak of a step, a tenth more than
without.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
"""Parameters of mallopt(3): free bytes at the top of the heap before it is trimmed, size from which memory is mapped
separately, and the maximum number of such mappings.
"""
LARGE_BYTES, MMAP_MAX = 32 * 2**20, 65_536
"""Values that glibc adapts to by itself after large memory has been freed (mallopt(3))."""


@contextmanager
def retain_freed_memory() -> Iterator[None]:
    """Keep freed memory in the heap during the block, and return it to the system afterwards.

    Does nothing with other C libraries than glibc, or if the user has set malloc options. Afterwards memory is mapped
    separately from 32 MB on, the value that glibc adapts to by itself.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    mallopt, trim = getattr(library, "mallopt", None), getattr(library, "malloc_trim", None)
    if mallopt is None or trim is None or any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        yield
        return
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        mallopt(M_MMAP_MAX, MMAP_MAX)
        mallopt(M_MMAP_THRESHOLD, LARGE_BYTES)
        mallopt(M_TRIM_THRESHOLD, 2 * LARGE_BYTES)
        trim(0)
