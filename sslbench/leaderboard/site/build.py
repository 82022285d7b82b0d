"""Write a leaderboard's tables and pages from its bundles.

Equal bundles give equal bytes. Bundles are expected to pass `check`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import SpooledTemporaryFile

from sslbench.api.errors import RequestError
from sslbench.api.files import write_parts
from sslbench.leaderboard.site.load import InstalledContext, LoadedBundle, load_bundles
from sslbench.leaderboard.site.pages import front_pages, suite_pages
from sslbench.leaderboard.site.tables import make_overview, make_tables, replace_between_markers
from sslbench.leaderboard.standings.across_boards import AcrossBoards, SuiteBoards, make_suite_boards
from sslbench.leaderboard.standings.columns import suite_metrics
from sslbench.leaderboard.standings.disk_list import MEMORY_BYTES, DiskList
from sslbench.leaderboard.standings.entries import EntryResult, Place
from sslbench.leaderboard.submission.bundle import bundle_folders
from sslbench.leaderboard.submission.suite import list_suites, read_suite

TABLES, SITE = "tables", "site"
PAGES = ("README.md", "docs/leaderboard.md")
"""Pages of the project whose block of ranks a build updates, relative to the parent of the leaderboard."""
TextFile = SpooledTemporaryFile[bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """Files below the leaderboard that a build changed or removed (or would), and the number of all files."""

    changed: tuple[str, ...]
    removed: tuple[str, ...]
    files: int


def build(board: Path, context: InstalledContext, *, write: bool, processes: int = 1) -> BuildResult:
    """Make every file, write those that differ, and remove files of earlier builds.

    With `write=False`, only list them. Raises RequestError for a bundle with schema errors. A script that sets several
    `processes` needs a main guard because they are spawned.
    """
    changed, made = [], set[str]()
    for name, parts in make_files(board, context, processes):
        made.add(name)
        with SpooledTemporaryFile(MEMORY_BYTES) as text:
            for part in parts:
                text.write(part.encode())
            if not _has_content(board / name, text):
                changed.append(name)
                if write:
                    write_parts(board / name, _read_parts(text), durable=name.startswith("../"))
    files = (path for root in (TABLES, SITE) for path in (board / root).rglob("*") if path.is_file())
    gone = sorted(name for path in files if (name := path.relative_to(board).as_posix()) not in made)
    for name in gone if write else ():
        (board / name).unlink()
    return BuildResult(changed=tuple(changed), removed=tuple(gone), files=len(made))


def _has_content(path: Path, text: TextFile) -> bool:
    """Return whether a file has this content."""
    if not path.is_file() or path.stat().st_size != text.tell():
        return False
    with path.open("rb") as existing:
        return all(part == existing.read(len(part)) for part in _read_parts(text))


def _read_parts(text: TextFile) -> Iterator[bytes]:
    """Yield the content from its start, part by part."""
    text.seek(0)
    return iter(lambda: text.read(MEMORY_BYTES), b"")


def make_files(board: Path, context: InstalledContext, processes: int) -> Iterator[tuple[str, Iterable[str]]]:
    """Yield (path below the leaderboard, parts of its text) of every file; one run's page is in memory at a time."""
    every: list[SuiteBoards] = []
    shown = {name: path.read_text() for name in PAGES if (path := board.parent / name).is_file()}
    for name in list_suites(board):
        suite = read_suite(board, name)
        metrics = suite_metrics(suite, context.metrics, context.protocols)
        runs, verdicts, known = 0, list[tuple[str, str, str]](), dict[tuple[str, str], str]()
        results: dict[Place, DiskList[EntryResult]] = defaultdict(DiskList)
        for runs, one in enumerate(load_bundles(suite, context, bundle_folders(board, name), processes), 1):  # noqa: B007
            yield f"{SITE}/{one.page[0]}", [one.page[1]]
            _refuse_duplicate_name(one, known)
            verdicts += [(one.entry.name, *verdict) for verdict in one.verdicts]
            for result in one.results:
                results[result.dataset, result.protocol].append(result)
        boards = make_suite_boards(suite, runs, results, metrics, context.protocols)
        for page, text in suite_pages(boards, context.references, verdicts):
            yield f"{SITE}/{page}", [text]
        for page, parts in make_tables(boards):
            yield f"{TABLES}/{page}", parts
        ranks = make_overview(boards)
        shown = {page: replace_between_markers(text, name, ranks) for page, text in shown.items()}
        every.append(replace(boards, boards=(), across=AcrossBoards()))  # the front page needs no more
    for page, text in front_pages(every):
        yield f"{SITE}/{page}", [text]
    for page, text in shown.items():
        yield f"../{page}", [text]


def _refuse_duplicate_name(one: LoadedBundle, known: dict[tuple[str, str], str]) -> None:
    for dataset in one.entry.datasets:
        if (other := known.setdefault((one.entry.name, dataset), one.name)) != one.name:
            both = f"{other} and {one.name}: both have entry name {one.entry.name!r} on {dataset}"
            raise RequestError([f"{both}. Rename one with --entry"])
