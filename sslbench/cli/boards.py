"""Commands about leaderboards: leaderboard suite, submit, check, verify, build."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sslbench.cli.options import (
    BoardFolder,
    Out,
    Overrides,
    ScaleName,
    StudyName,
    catalog_of,
    command_group,
    make_console,
)

board_app = command_group("Suites, submissions, and the tables and pages made from them.")


@board_app.command("suite")
def board_suite(
    study: StudyName, overrides: Overrides = None, scale: ScaleName = "", board: BoardFolder = Path("leaderboard")
) -> None:
    """Make a suite of a study: what everybody who submits to it has in common."""
    from sslbench.api.files import write_atomically
    from sslbench.app import study as commands
    from sslbench.app.leaderboard import make_suite
    from sslbench.leaderboard.submission.suite import suite_file, write_suite
    from sslbench.report.console.progress_bars import display_for
    from sslbench.report.console.study_progress import board_for

    console = make_console()
    opened = commands.open_study(
        catalog_of(), study, scale, overrides or [], Path("runs"), board_for(console), announce=False
    )
    suite = make_suite(opened, display_for(console))
    write_atomically(suite_file(board, suite.name), write_suite(suite))
    told = f"{', '.join(suite.datasets)}; {', '.join(suite.protocols)}; seeds {', '.join(map(str, suite.seeds))}"
    print(f"{suite_file(board, suite.name)}: {told}; baselines {', '.join(suite.baselines) or 'none'}")


@board_app.command("submit")
def board_submit(
    runs: Annotated[list[Path], typer.Argument(help="folders of runs, as the last line of `run` names them")],
    suite: Annotated[str, typer.Option(help="to which suite (default: the only one)")] = "",
    entry: Annotated[str, typer.Option(help="what its row is called (default: method and backbone)")] = "",
    by: Annotated[str, typer.Option(help="who submits it")] = "unnamed",
    note: Annotated[str, typer.Option(help="a line about it")] = "",
    board: BoardFolder = Path("leaderboard"),
) -> None:
    """Write small bundles of predictions, choices and hashes, each checked as a stranger would."""
    from sslbench.leaderboard.commands import submit_all

    _print_result(*submit_all(board, suite, runs, entry=entry, by=by, note=note))


@board_app.command("check")
def board_check(
    suites: Annotated[list[str] | None, typer.Argument(help="which suites (default: all)")] = None,
    board: BoardFolder = Path("leaderboard"),
) -> None:
    """Compute every number of every bundle again, and say what does not follow."""
    from sslbench.leaderboard.commands import check_all

    _print_result(*check_all(board, suites or []))


@board_app.command("verify")
def board_verify(
    run: Annotated[str, typer.Argument(help="a submitted run's name")],
    by: Annotated[str, typer.Option(help="who runs it again")],
    overrides: Overrides = None,
    out: Out = Path("runs"),
    board: BoardFolder = Path("leaderboard"),
) -> None:
    """Run a submission again, on another machine than its own, and write how far apart the two are."""
    from sslbench.app.leaderboard import save_verification, verify
    from sslbench.leaderboard.commands import find_bundle
    from sslbench.report.console.progress_bars import display_for

    bundle = find_bundle(board, run)
    found = verify(bundle, overrides or [], catalog_of(), out, by, display_for(make_console()))
    print(f"{save_verification(bundle, found)}: at most {100 * found.furthest:.2f} points apart ({found.where})")


@board_app.command("build")
def board_build(
    check: Annotated[bool, typer.Option("--check", help="write nothing; fail where anything is stale")] = False,
    board: BoardFolder = Path("leaderboard"),
) -> None:
    """Make the tables and the site from all bundles."""
    from sslbench.environment import cores
    from sslbench.leaderboard.commands import build_all

    _print_result(*build_all(board, catalog_of(), write=not check, processes=cores()))


def _print_result(lines: list[str], good: bool) -> None:
    print("\n".join(lines))
    if not good:
        sys.exit(1)
