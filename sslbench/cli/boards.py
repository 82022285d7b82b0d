"""Define the commands of leaderboards: leaderboard suite, submit, check, verify, build."""

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

board_app = command_group("Manage suites and submissions, and build the leaderboard's tables and pages.")


@board_app.command("suite")
def board_suite(
    study: StudyName, overrides: Overrides = None, scale: ScaleName = "", board: BoardFolder = Path("leaderboard")
) -> None:
    """Make a suite from a study: the data, protocols and seeds that all submissions share."""
    from sslbench.api.files import write_atomically
    from sslbench.app import study as commands
    from sslbench.app.leaderboard import make_suite
    from sslbench.leaderboard.submission.suite import encode_suite, suite_file
    from sslbench.report.console.progress_bars import display_for
    from sslbench.report.console.study_progress import study_progress_for

    console = make_console()
    opened = commands.open_study(
        catalog_of(), study, scale, overrides or [], Path("runs"), study_progress_for(console), announce=False
    )
    suite = make_suite(opened, display_for(console))
    write_atomically(suite_file(board, suite.name), encode_suite(suite))
    content = f"{', '.join(suite.datasets)}; {', '.join(suite.protocols)}; seeds {', '.join(map(str, suite.seeds))}"
    print(f"{suite_file(board, suite.name)}: {content}; baselines {', '.join(suite.baselines) or 'none'}")


@board_app.command("submit")
def board_submit(
    runs: Annotated[list[Path], typer.Argument(help="folders of runs, which `run` prints in its last line")],
    suite: Annotated[str, typer.Option(help="suite to submit to (default: the only one)")] = "",
    entry: Annotated[str, typer.Option(help="name of the entry's row (default: method and backbone)")] = "",
    by: Annotated[str, typer.Option(help="name of the submitter")] = "unnamed",
    note: Annotated[str, typer.Option(help="one line of description")] = "",
    board: BoardFolder = Path("leaderboard"),
) -> None:
    """Write and check a small bundle of predictions, selected settings and hashes for each run."""
    from sslbench.catalog.metrics import installed_metrics
    from sslbench.leaderboard.commands import submit_all

    metrics = installed_metrics(catalog_of())
    _print_result(*submit_all(board, suite, runs, metrics, entry=entry, by=by, note=note))


@board_app.command("check")
def board_check(
    suites: Annotated[list[str] | None, typer.Argument(help="suites to check (default: all)")] = None,
    board: BoardFolder = Path("leaderboard"),
) -> None:
    """Recompute every number of every bundle, and report differences."""
    from sslbench.catalog.metrics import installed_metrics
    from sslbench.leaderboard.commands import check_all

    _print_result(*check_all(board, suites or [], installed_metrics(catalog_of())))


@board_app.command("verify")
def board_verify(
    run: Annotated[str, typer.Argument(help="name of a submitted run")],
    by: Annotated[str, typer.Option(help="name of the person who reproduces it")],
    overrides: Overrides = None,
    out: Out = Path("runs"),
    board: BoardFolder = Path("leaderboard"),
) -> None:
    """Reproduce a submission on another machine, and store the largest difference."""
    from sslbench.app.leaderboard import save_verification, verify
    from sslbench.leaderboard.commands import find_bundle
    from sslbench.report.console.progress_bars import display_for

    bundle = find_bundle(board, run)
    verified = verify(bundle, overrides or [], catalog_of(), out, by, display_for(make_console()))
    difference = f"largest difference {100 * verified.furthest:.2f} percentage points ({verified.where})"
    print(f"{save_verification(bundle, verified)}: {difference}")


@board_app.command("build")
def board_build(
    check: Annotated[bool, typer.Option("--check", help="write nothing, and fail if any file is out of date")] = False,
    board: BoardFolder = Path("leaderboard"),
) -> None:
    """Build the tables and the site from all bundles."""
    from sslbench.environment import count_cores
    from sslbench.leaderboard.commands import build_all

    _print_result(*build_all(board, catalog_of(), write=not check, processes=count_cores()))


def _print_result(lines: list[str], good: bool) -> None:
    print("\n".join(lines))
    if not good:
        sys.exit(1)
