"""Measure ratios within one run: every benchmark runs its reference in the same run and records both."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from threadpoolctl import threadpool_limits
from torch.profiler import ProfilerActivity, profile

from .figures import Figure, keep

State = Callable[[Figure], None]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--results`, which writes the figures into RESULTS.md."""
    parser.addoption("--results", action="store_true", help="write the figures into benchmarks/speed/RESULTS.md")


@pytest.fixture(scope="session", autouse=True)
def two_threads() -> Iterator[None]:
    """Limit torch and scikit-learn to two threads, the machine size of the figures."""
    torch.set_num_threads(2)
    with threadpool_limits(2):
        yield


@pytest.fixture
def state(request: pytest.FixtureRequest) -> Iterator[State]:
    """Yield a function that prints a figure, and stores it with `--results`."""
    figures: list[Figure] = []

    def record(figure: Figure) -> None:
        figures.append(figure)
        aim = f" (aim {figure.aim:g}{figure.unit}: {figure.verdict})" if figure.aim is not None else ""
        print(f"\n{figure.what} against {figure.against}: {figure.found:.3g}{figure.unit}{aim} {figure.note}")

    yield record
    if figures and request.config.getoption("--results"):
        keep(Path(__file__).parent, figures)


def median_time_ratio(first: Callable[[], object], second: Callable[[], object], rounds: int = 5) -> float:
    """Return the median over rounds of time(first) / time(second), alternating so that drift of the machine cancels."""
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


def time_shares(run: Callable[[], object]) -> dict[str, float]:
    """Profile a run: the share of its time that each torch operation takes by itself."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        began = time.perf_counter()
        run()
        total = time.perf_counter() - began
    return {one.key: one.self_cpu_time_total / 1e6 / total for one in profiled.key_averages()}
