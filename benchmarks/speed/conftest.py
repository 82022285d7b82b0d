"""Ratios within one run: every benchmark measures its limit or its peer beside itself and states a figure of both."""

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
    """`--results` writes what was found into RESULTS.md."""
    parser.addoption("--results", action="store_true", help="write the figures into benchmarks/speed/RESULTS.md")


@pytest.fixture(scope="session", autouse=True)
def two_threads() -> Iterator[None]:
    """The size of the machine that the figures are for, torch's and scikit-learn's."""
    torch.set_num_threads(2)
    with threadpool_limits(2):
        yield


@pytest.fixture
def state(request: pytest.FixtureRequest) -> Iterator[State]:
    """State a figure: it is printed, and kept where `--results` was asked for."""
    figures: list[Figure] = []

    def stated(figure: Figure) -> None:
        figures.append(figure)
        aim = f" (aim {figure.aim:g}{figure.unit}: {figure.verdict})" if figure.aim is not None else ""
        print(f"\n{figure.what} against {figure.against}: {figure.found:.3g}{figure.unit}{aim} {figure.note}")

    yield stated
    if figures and request.config.getoption("--results"):
        keep(Path(__file__).parent, figures)


def median_time_ratio(first: Callable[[], object], second: Callable[[], object], rounds: int = 5) -> float:
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


def time_shares(run: Callable[[], object]) -> dict[str, float]:
    """A profile: what share of a run's time each of torch's operations takes by itself."""
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        began = time.perf_counter()
        run()
        whole = time.perf_counter() - began
    return {one.key: one.self_cpu_time_total / 1e6 / whole for one in watched.key_averages()}
