"""Ratios within one run: every benchmark measures its limit or its peer beside itself and prints both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def two_threads() -> None:
    """The size of the machine that the figures are for."""
    torch.set_num_threads(2)


def alternately(first: Callable[[], object], second: Callable[[], object], rounds: int = 5) -> float:
    """Median over rounds of time(first) / time(second), taken in turn so that a drifting machine cancels out."""
    ratios = []
    first()
    second()
    for _ in range(rounds):
        started = time.perf_counter()
        first()
        middle = time.perf_counter()
        second()
        ratios.append((middle - started) / (time.perf_counter() - middle))
    return statistics.median(ratios)
