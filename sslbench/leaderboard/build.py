"""A leaderboard's tables and site from its bundles: the same bytes every time. Trusts what `check` has passed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from sslbench.api.errors import RequestError
from sslbench.api.files import write_atomically
from sslbench.leaderboard.boards import Boards, boards_of
from sslbench.leaderboard.bundle import folders
from sslbench.leaderboard.reading import Beside, Read, read_every
from sslbench.leaderboard.site import front, suite_pages
from sslbench.leaderboard.suite import read_suite, suites_of
from sslbench.leaderboard.tables import between_markers, overview, tables_of

TABLES, SITE = "tables", "site"
README = "README.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a build changed, or would have: files below the leaderboard, and how many there are in all."""

    changed: tuple[str, ...]
    gone: tuple[str, ...]
    files: int


def build(board: Path, beside: Beside, *, write: bool, processes: int = 1) -> Built:
    """Make every file, and write those that differ (without `write` only name them); files of earlier builds go.

    Raises RequestError for a bundle that `check` would refuse by its form. A script that asks for several `processes` needs a
    main guard, for they are spawned.
    """
    changed, made = [], set[str]()
    for name, text in files_of(board, beside, processes):
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


def files_of(board: Path, beside: Beside, processes: int) -> Iterator[tuple[str, str]]:
    """(path below the leaderboard, text) of every file; each run's page is let go before the next is read."""
    every: list[Boards] = []
    readme = board.parent / README
    shown = readme.read_text() if readme.is_file() else ""
    for name in suites_of(board):
        suite, kept = read_suite(board, name), list[Read]()
        known: dict[tuple[str, str], str] = {}
        for one in read_every(suite, beside, folders(board, name), processes):
            yield f"{SITE}/{one.page[0]}", one.page[1]
            kept.append(replace(one, page=("", "")))
            _refuse_another_of_its_name(one, known)
        boards = boards_of(suite, [one.entry for one in kept], [line for one in kept for line in one.lines])
        judged = [(one.entry.entry, *told) for one in kept for told in one.judged]
        for page, text in suite_pages(boards, beside.references, judged):
            yield f"{SITE}/{page}", text
        for page, text in tables_of(boards):
            yield f"{TABLES}/{page}", text
        shown = between_markers(shown, name, overview(boards))
        every.append(boards)
    for page, text in front(every):
        yield f"{SITE}/{page}", text
    if shown:
        yield f"../{README}", shown


def _refuse_another_of_its_name(one: Read, known: dict[tuple[str, str], str]) -> None:
    for dataset in one.entry.datasets:
        if (other := known.setdefault((one.entry.entry, dataset), one.name)) != one.name:
            both = f"{other} and {one.name} are both called {one.entry.entry!r} on {dataset}"
            raise RequestError([f"{both}; name one otherwise with --entry"])
