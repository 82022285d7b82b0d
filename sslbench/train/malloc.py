"""The C library's heap while a training runs on a processor: what a step gives back stays for the next one. Nothing else.

Every step asks for the same large tensors. Above 32 MB glibc fetches each anew from the system, page by page, which takes a
tenth of a step, and at large batches a third (`benchmarks/speed`). What is kept is no more than a step's peak, a tenth above
what it was.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TRIM, MAPPED, MOST_MAPPED = -1, -3, -4
"""glibc's numbers of settings: freed bytes at the heap's end that go back, bytes from which memory is mapped by itself, and
how many pieces may be.
"""
LARGE, MANY = 32 * 2**20, 65_536
"""What glibc's own settings come to when large memory has been freed (mallopt(3))."""


@contextmanager
def kept_heap() -> Iterator[None]:
    """Keep freed memory in the heap meanwhile, and then give it back.

    Other C libraries than glibc are left as they are, and so is one whose user has settings for it. Afterwards large memory
    is mapped from 32 MB on, which is where glibc's own rule ends when such memory has been freed.
    """
    library = ctypes.CDLL(None) if sys.platform == "linux" else None
    set_to, trim = getattr(library, "mallopt", None), getattr(library, "malloc_trim", None)
    if set_to is None or trim is None or any(name.startswith(("MALLOC_", "GLIBC_TUNABLES")) for name in os.environ):
        yield
        return
    set_to(MOST_MAPPED, 0)
    set_to(TRIM, 2**31 - 1)
    try:
        yield
    finally:
        set_to(MOST_MAPPED, MANY)
        set_to(MAPPED, LARGE)
        set_to(TRIM, 2 * LARGE)
        trim(0)
