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
from sslbench.leaderboard.standings.entries import Entry, EntryResult, SuiteWeights, make_entry, make_results
from sslbench.leaderboard.submission.bundle import Bundle, BundleError, read_bundle
from sslbench.leaderboard.submission.requirements import suite_mismatches
from sslbench.leaderboard.submission.schema import schema_errors
from sslbench.leaderboard.submission.suite import Suite
from sslbench.leaderboard.submission.versions import InstalledProtocol

MIN_FOR_PROCESSES = 500
"""Bundles from which on the start of processes is worth its seconds."""
BUNDLES_PER_TASK = 50
"""Bundles that a process is given at once."""
MAX_PROCESSES = 8
"""Processes beyond which whoever writes the pages has no time for more."""
CHECK_HINT = "'sslbench leaderboard check' says all"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledContext:
    """Published numbers of everything installed, the recipes that they belong to, and the installed protocols."""

    references: Sequence[ReferenceSpec]
    recipes: Recipes
    protocols: Mapping[str, InstalledProtocol] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedBundle:
    """What is kept of a bundle: entry, lines, (verdict, all that is said of it) beside published numbers, its page."""

    name: str
    entry: Entry
    results: tuple[EntryResult, ...]
    verdicts: tuple[tuple[str, str], ...]
    page: tuple[str, str]


class BundleLoader:
    """Reads bundles of one suite; raises RequestError for one that `check` would refuse by its form."""

    def __init__(self, suite: Suite, beside: InstalledContext) -> None:
        self.suite, self.context, self.weights = suite, beside, SuiteWeights(suite)

    def __call__(self, path: Path) -> LoadedBundle:
        bundle = self._read_checked(path)
        try:
            entry = make_entry(bundle)
            lines = make_results(bundle, entry, self.weights)
            page = run_page(self.suite, bundle, entry, lines)
        except (KeyError, ValueError, TypeError, AttributeError) as error:
            told = f"its answers do not fit the suite ({type(error).__name__}: {error})"
            raise RequestError([f"{bundle.name}: {told}; {CHECK_HINT}"]) from error
        found = verdicts([bundle.record], self.context.references, self.context.recipes)
        return LoadedBundle(
            name=bundle.name, entry=entry, results=tuple(lines), verdicts=tuple((one.verdict, str(one)) for one in found),
            page=page,
        )  # fmt: skip

    def _read_checked(self, path: Path) -> Bundle:
        try:
            bundle = read_bundle(path)
        except BundleError as refusal:
            raise RequestError([f"{path.name}: {refusal}; {CHECK_HINT}"]) from refusal
        if problems := [*schema_errors(bundle)] or [*suite_mismatches(self.suite, bundle)]:
            raise RequestError([f"{bundle.name}: {problem}; {CHECK_HINT}" for problem in problems])
        return bundle


def load_bundles(
    suite: Suite, beside: InstalledContext, paths: Sequence[Path], processes: int
) -> Iterator[LoadedBundle]:
    """Every bundle in turn; no more than two parts a process wait in memory."""
    if processes < 2 or len(paths) < MIN_FOR_PROCESSES:
        yield from map(BundleLoader(suite, beside), paths)
        return
    processes = min(processes, MAX_PROCESSES)
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _start_process, (suite, beside))
    try:
        waiting = deque[Future[list[LoadedBundle]]]()
        for start in range(0, len(paths), BUNDLES_PER_TASK):
            waiting.append(pool.submit(_load_some, paths[start : start + BUNDLES_PER_TASK]))
            if len(waiting) > 2 * processes:
                yield from waiting.popleft().result()
        for one in waiting:
            yield from one.result()
    finally:
        pool.shutdown(cancel_futures=True)


_loader: list[BundleLoader] = []
"""A process's own, made once: its weights of every test sample are those of all bundles."""


def _start_process(suite: Suite, beside: InstalledContext) -> None:
    threadpool_limits(1)  # as many processes as cores already
    _loader.append(BundleLoader(suite, beside))


def _load_some(paths: Sequence[Path]) -> list[LoadedBundle]:
    return [_loader[0](path) for path in paths]
