"""Bundles one by one, each as what a board keeps of it; of very many, in several processes. Compares nothing."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from threadpoolctl import threadpool_limits

from sslbench.analysis.tables.published import Recipes, verdicts
from sslbench.api.errors import RequestError
from sslbench.api.references import ReferenceSpec
from sslbench.leaderboard.site.pages import run_page
from sslbench.leaderboard.standings.entries import Entry, EntryResult, Weights, entry_of, lines_of
from sslbench.leaderboard.submission.bundle import Bundle, Refused, read_bundle
from sslbench.leaderboard.submission.requirements import unlike
from sslbench.leaderboard.submission.schema import misshapen
from sslbench.leaderboard.submission.suite import Suite
from sslbench.leaderboard.submission.versions import InstalledProtocol

MANY = 500
"""Bundles from which on the start of processes is worth its seconds."""
TOGETHER = 50
"""Bundles that a process is given at once."""
MOST = 8
"""Processes beyond which whoever writes the pages has no time for more."""
MORE = "'sslbench leaderboard check' says all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Published numbers of everything installed, the recipes that they belong to, and the installed protocols."""

    references: Sequence[ReferenceSpec]
    recipes: Recipes
    protocols: Mapping[str, InstalledProtocol] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedBundle:
    """What is kept of a bundle: entry, lines, (verdict, all that is said of it) beside published numbers, its page."""

    name: str
    entry: Entry
    lines: tuple[EntryResult, ...]
    judged: tuple[tuple[str, str], ...]
    page: tuple[str, str]


class Reader:
    """Reads bundles of one suite; raises RequestError for one that `check` would refuse by its form."""

    def __init__(self, suite: Suite, beside: Beside) -> None:
        self.suite, self.beside, self.weights = suite, beside, Weights(suite)

    def __call__(self, path: Path) -> LoadedBundle:
        bundle = self._sound(path)
        try:
            entry = entry_of(bundle)
            lines = lines_of(bundle, entry, self.weights)
            page = run_page(self.suite, bundle, entry, lines)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            told = f"its answers do not fit the suite ({type(error).__name__}: {error})"
            raise RequestError([f"{bundle.name}: {told}; {MORE}"]) from error
        found = verdicts([bundle.record], self.beside.references, self.beside.recipes)
        return LoadedBundle(
            name=bundle.name, entry=entry, lines=tuple(lines), judged=tuple((one.verdict, str(one)) for one in found),
            page=page,
        )  # fmt: skip

    def _sound(self, path: Path) -> Bundle:
        try:
            bundle = read_bundle(path)
        except Refused as refusal:
            raise RequestError([f"{path.name}: {refusal}; {MORE}"]) from refusal
        if problems := [*misshapen(bundle)] or [*unlike(self.suite, bundle)]:
            raise RequestError([f"{bundle.name}: {problem}; {MORE}" for problem in problems])
        return bundle


def read_every(suite: Suite, beside: Beside, paths: Sequence[Path], processes: int) -> Iterator[LoadedBundle]:
    """Every bundle in turn; no more than two parts a process wait in memory."""
    if processes < 2 or len(paths) < MANY:
        yield from map(Reader(suite, beside), paths)
        return
    processes = min(processes, MOST)
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _start, (suite, beside))
    try:
        waiting = deque[Future[list[LoadedBundle]]]()
        for start in range(0, len(paths), TOGETHER):
            waiting.append(pool.submit(_read, paths[start : start + TOGETHER]))
            if len(waiting) > 2 * processes:
                yield from waiting.popleft().result()
        for one in waiting:
            yield from one.result()
    finally:
        pool.shutdown(cancel_futures=True)


_reader: list[Reader] = []
"""A process's own, made once: its weights of every test sample are those of all bundles."""


def _start(suite: Suite, beside: Beside) -> None:
    threadpool_limits(1)  # as many processes as cores already
    _reader.append(Reader(suite, beside))


def _read(paths: Sequence[Path]) -> list[LoadedBundle]:
    return [_reader[0](path) for path in paths]
