"""Submit, check and build leaderboards. Returns lines to print."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sslbench.api.errors import RequestError
from sslbench.catalog.facts import Catalog
from sslbench.catalog.metrics import MetricTable, installed_metrics
from sslbench.leaderboard.site.build import build
from sslbench.leaderboard.site.load import InstalledContext
from sslbench.leaderboard.submission.bundle import MAX_BYTES, Bundle, BundleError, read_bundle
from sslbench.leaderboard.submission.check import check_suite
from sslbench.leaderboard.submission.requirements import bundle_conflicts
from sslbench.leaderboard.submission.submit import submit
from sslbench.leaderboard.submission.suite import list_suites, read_suite
from sslbench.leaderboard.submission.versions import installed_protocols
from sslbench.report.published import references_and_recipes

MAX_PROBLEMS = 20
"""Problems that are listed for one bundle."""


def submit_all(
    board: Path, suite_name: str, runs: Sequence[Path], metrics: MetricTable, *, entry: str, by: str, note: str
) -> tuple[list[str], bool]:
    """Submit runs one by one, and continue after a run that is refused.

    Returns the lines to print, and whether every run was submitted.
    """
    known = list_suites(board)
    suite = read_suite(board, suite_name or (known[0] if len(known) == 1 else ""))
    if entry and len(runs) > 1:
        raise RequestError([f"--entry {entry!r}: names one run, but {len(runs)} were given. Submit them one by one"])
    lines, good = [], True
    for run in runs:
        try:
            folder, is_without_scores = submit(board, suite, run, metrics, entry=entry, by=by, note=note)
        except RequestError as error:
            lines += [f"refused: {problem}" for problem in error.problems]
            good = False
            continue
        size = sum(file.stat().st_size for file in folder.iterdir())
        lines.append(f"{folder}: {size / 1000:.0f} kB")
        if is_without_scores:
            limit = f"the bundle would exceed {MAX_BYTES / 1e6:g} MB"
            lines.append(f"{folder}: without class scores and the metrics computed from them, as {limit}")
    return lines, good


def check_all(board: Path, suites: Sequence[str], metrics: MetricTable) -> tuple[list[str], bool]:
    """Check every bundle of the named suites (none named: all), alone and against each other.

    Returns the lines to print, and whether every bundle passed.
    """
    lines, good = [], True
    for name in suites or list_suites(board):
        suite = read_suite(board, name)
        checked = check_suite(suite, board, metrics)
        for one in checked:
            shown = [f"{name}/{one.path.name}: {problem}" for problem in one.problems]
            lines += shown[:MAX_PROBLEMS]
            lines += (
                [f"{name}/{one.path.name}: and {len(shown) - MAX_PROBLEMS} more"] if len(shown) > MAX_PROBLEMS else []
            )
        bundles = [one.bundle for one in checked if one.bundle is not None]
        conflicts = list(bundle_conflicts(suite, bundles))
        lines += conflicts
        refused = sum(bool(one.problems) for one in checked)
        good = good and not refused and not conflicts
        verified = sum(bool(bundle.verified) for bundle in bundles)
        lines.append(f"{name}: {len(checked) - refused} of {len(checked)} bundles match their predictions; "
                     f"{verified} were reproduced by others")  # fmt: skip
    unknown = sorted(path.name for path in (board / "results").glob("*") if path.name not in list_suites(board))
    if not suites and unknown:
        lines.append(f"results of no suite: {', '.join(unknown)}")
        good = False
    return lines, good


def build_all(board: Path, catalog: Catalog, *, write: bool, processes: int) -> tuple[list[str], bool]:
    """Write the tables and pages, or with `write=False` list the files that are out of date."""
    if not list_suites(board):
        raise RequestError([f"{board}: has no suite. Make one with 'sslbench leaderboard suite STUDY'"])
    references, recipes = references_and_recipes(catalog)
    protocols = installed_protocols(component.spec for component in catalog.all("protocol"))
    context = InstalledContext(
        references=references, recipes=recipes, protocols=protocols, metrics=installed_metrics(catalog)
    )
    built = build(board, context, write=write, processes=processes)
    if write:
        return [
            f"{built.files} files, {len(built.changed)} changed, {len(built.removed)} removed: {board}/site/index.html"
        ], True
    lines = [f"stale: {name}" for name in built.changed] + [f"unexpected: {name}" for name in built.removed]
    if not lines:
        return [f"{built.files} files are up to date"], True
    return [*lines, "Update them with 'sslbench leaderboard build'"], False


def find_bundle(board: Path, run: str) -> Bundle:
    """Read the bundle of a run by its name. Raises RequestError if there is none or more than one."""
    found = sorted((board / "results").glob(f"*/{run}"))
    if len(found) != 1:
        listed = ", ".join(str(path.relative_to(board)) for path in found) or f"none below {board / 'results'}"
        raise RequestError([f"run {run!r}: expected one submission of this name, found: {listed}"])
    try:
        return read_bundle(found[0])
    except BundleError as refusal:
        raise RequestError([f"{found[0]}: {refusal}"]) from refusal
