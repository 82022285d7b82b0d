"""A leaderboard's tables and site from its bundles: the same bytes every time. Trusts what `check` has passed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sslbench.analysis.published import Recipes, Verdict, verdicts
from sslbench.api.errors import RequestError
from sslbench.api.files import write_atomically
from sslbench.api.references import ReferenceSpec
from sslbench.leaderboard.boards import Boards, boards_of
from sslbench.leaderboard.bundle import Bundle, Refused, folders, read_bundle
from sslbench.leaderboard.demands import unlike
from sslbench.leaderboard.form import misshapen
from sslbench.leaderboard.lines import Entry, Line, Weights, entry_of, lines_of
from sslbench.leaderboard.site import front, run_page, suite_pages
from sslbench.leaderboard.suite import Suite, read_suite, suites_of
from sslbench.leaderboard.tables import between_markers, overview, tables_of

TABLES, SITE = "tables", "site"
README = "README.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """Published numbers of everything installed, and the recipes that they belong to."""

    references: Sequence[ReferenceSpec]
    recipes: Recipes


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a build changed, or would have: files below the leaderboard, and how many there are in all."""

    changed: tuple[str, ...]
    gone: tuple[str, ...]
    files: int


def build(board: Path, beside: Beside, *, write: bool) -> Built:
    """Make every file, and write those that differ (without `write` only name them); files of earlier builds go.

    Raises RequestError for a bundle that `check` would refuse by its form.
    """
    changed, made = [], set[str]()
    for name, text in files_of(board, beside):
        path, content = board / name, text.encode()
        made.add(name)
        if not path.is_file() or path.read_bytes() != content:
            changed.append(name)
            if write:
                write_atomically(path, content)
    old = [path.relative_to(board).as_posix() for root in (TABLES, SITE) for path in sorted((board / root).rglob("*"))
           if path.is_file()]  # fmt: skip
    gone = [name for name in old if name not in made]
    for name in gone if write else ():
        (board / name).unlink()
    return Built(changed=tuple(changed), gone=tuple(gone), files=len(made))


def files_of(board: Path, beside: Beside) -> Iterator[tuple[str, str]]:
    """(path below the leaderboard, text) of every file; each run's page is let go before the next is read."""
    every: list[Boards] = []
    readme = board.parent / README
    shown = readme.read_text() if readme.is_file() else ""
    for name in suites_of(board):
        suite, entries, lines, judged = (
            read_suite(board, name),
            list[Entry](),
            list[Line](),
            list[tuple[str, Verdict]](),
        )
        weights, known = Weights(suite), dict[tuple[str, str], str]()
        for path in folders(board, name):
            bundle = _read(suite, path)
            entry, own = _lines(bundle, weights)
            for dataset in entry.datasets:
                if (other := known.setdefault((entry.entry, dataset), bundle.name)) != bundle.name:
                    both = f"{other} and {bundle.name} are both called {entry.entry!r} on {dataset}"
                    raise RequestError([f"{both}; name one otherwise with --entry"])
            entries.append(entry)
            lines += own
            judged += [
                (entry.entry, verdict) for verdict in verdicts([bundle.record], beside.references, beside.recipes)
            ]
            page, text = run_page(suite, bundle, entry, own)
            yield f"{SITE}/{page}", text
        every.append(boards_of(suite, entries, lines))
        for page, text in suite_pages(every[-1], beside.references, judged):
            yield f"{SITE}/{page}", text
        for page, text in tables_of(every[-1]):
            yield f"{TABLES}/{page}", text
        shown = between_markers(shown, name, overview(every[-1]))
    for page, text in front(every):
        yield f"{SITE}/{page}", text
    if shown:
        yield f"../{README}", shown


def _read(suite: Suite, path: Path) -> Bundle:
    try:
        bundle = read_bundle(path)
    except Refused as refusal:
        raise RequestError([f"{path.name}: {refusal}; 'sslbench leaderboard check' says all"]) from refusal
    if problems := [*misshapen(bundle)] or [*unlike(suite, bundle)]:
        raise RequestError([f"{bundle.name}: {problem}; 'sslbench leaderboard check' says all" for problem in problems])
    return bundle


def _lines(bundle: Bundle, weights: Weights) -> tuple[Entry, list[Line]]:
    try:
        return entry_of(bundle), lines_of(bundle, weights)
    except (KeyError, ValueError, TypeError) as error:
        told = f"its answers do not fit the suite ({type(error).__name__}: {error})"
        raise RequestError([f"{bundle.name}: {told}; 'sslbench leaderboard check' says all"]) from error
