"""Load bundles one by one, or with many bundles in several processes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from pathlib import Path

from threadpoolctl import threadpool_limits

from sslbench.analysis.tables.published import Recipes, compare_published
from sslbench.analysis.tables.run_tables import default_answers
from sslbench.api.errors import RequestError
from sslbench.api.references import ReferenceSpec
from sslbench.catalog.metrics import MetricTable, core_metrics
from sslbench.leaderboard.site.pages import run_page
from sslbench.leaderboard.standings.columns import suite_metrics
from sslbench.leaderboard.standings.entries import Entry, EntryResult, Place, SuiteWeights, make_entry, make_results
from sslbench.leaderboard.submission.bundle import Bundle, BundleError, read_bundle, read_table
from sslbench.leaderboard.submission.requirements import suite_mismatches
from sslbench.leaderboard.submission.schema import schema_errors
from sslbench.leaderboard.submission.suite import Suite
from sslbench.leaderboard.submission.versions import InstalledProtocol
from sslbench.results.answers import VectorAnswers, read_folder_answers
from sslbench.results.store import VECTORS
from sslbench.results.varied import varied_table

MIN_FOR_PROCESSES = 500
"""Number of bundles from which starting processes saves time."""
BUNDLES_PER_TASK = 50
"""Bundles per task of a process."""
MAX_PROCESSES = 8
"""Maximum number of reader processes; beyond this the writer is the bottleneck."""
CHECK_HINT = "'sslbench leaderboard check' lists every problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class InstalledContext:
    """Published numbers, recipes, protocol versions and metrics of installed plugins."""

    references: Sequence[ReferenceSpec]
    recipes: Recipes
    protocols: Mapping[str, InstalledProtocol] = field(default_factory=dict)
    metrics: MetricTable = field(default_factory=core_metrics)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedBundle:
    """The parts of a bundle that are kept: entry, results, (verdict, text) against published numbers, and its page."""

    name: str
    entry: Entry
    results: tuple[EntryResult, ...]
    verdicts: tuple[tuple[str, str], ...]
    page: tuple[str, str]


class BundleLoader:
    """Loads bundles of one suite. Raises RequestError for a bundle with schema errors."""

    def __init__(self, suite: Suite, context: InstalledContext) -> None:
        self.suite, self.context, self.weights = suite, context, SuiteWeights(suite)
        self.metrics = suite_metrics(suite, context.metrics, context.protocols)

    def __call__(self, path: Path) -> LoadedBundle:
        bundle = self._read_checked(path)
        try:
            entry = make_entry(bundle, self.metrics)
            results = make_results(bundle, entry, self.weights, self.metrics, _read_vectors(bundle))
            page = run_page(self.suite, bundle, entry, results)
        except (KeyError, ValueError, TypeError, AttributeError, BundleError) as error:
            problem = f"its answers do not fit the suite ({type(error).__name__}: {error})"
            raise RequestError([f"{bundle.name}: {problem}. {CHECK_HINT}"]) from error
        found = compare_published([bundle.record], self.context.references, self.context.recipes, self.context.metrics)
        return LoadedBundle(
            name=bundle.name, entry=entry, results=tuple(results), verdicts=tuple((one.verdict, str(one)) for one in found),
            page=page,
        )  # fmt: skip

    def _read_checked(self, path: Path) -> Bundle:
        try:
            bundle = read_bundle(path)
        except BundleError as refusal:
            raise RequestError([f"{path.name}: {refusal}. {CHECK_HINT}"]) from refusal
        if problems := [*schema_errors(bundle)] or [*suite_mismatches(self.suite, bundle)]:
            raise RequestError([f"{bundle.name}: {problem}. {CHECK_HINT}" for problem in problems])
        return bundle


def _read_vectors(bundle: Bundle) -> dict[Place, VectorAnswers]:
    """Read the answers of each protocol's own question to several labels or numbers per sample."""
    if not (bundle.path / VECTORS).exists():
        return {}
    read_table(bundle.path / VECTORS)  # raises BundleError for tables that are too large or have other columns
    record = bundle.record
    answers, varied = {record.run: read_folder_answers(bundle.path, record)}, varied_table([record])
    return {
        (data["part"], protocol): own
        for data in record.evaluated_on
        for protocol, own in default_answers(record, data["part"], answers, varied).items()
        if isinstance(own, VectorAnswers)
    }


def load_bundles(
    suite: Suite, context: InstalledContext, paths: Sequence[Path], processes: int
) -> Iterator[LoadedBundle]:
    """Yield every bundle in order; at most two tasks per process wait in memory."""
    if processes < 2 or len(paths) < MIN_FOR_PROCESSES:
        yield from map(BundleLoader(suite, context), paths)
        return
    processes = min(processes, MAX_PROCESSES)
    context = replace(context, metrics=context.metrics.with_named_functions())
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _start_process, (suite, context))
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
"""The loader of this process, made once because its weights of test samples serve all bundles."""


def _start_process(suite: Suite, context: InstalledContext) -> None:
    threadpool_limits(1)  # there is one process per core
    _loader.append(BundleLoader(suite, context))


def _load_some(paths: Sequence[Path]) -> list[LoadedBundle]:
    return [_loader[0](path) for path in paths]
