"""Define options shared by commands, and create the catalog and the console."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sslbench import environment

if TYPE_CHECKING:
    from rich.console import Console

    from sslbench.catalog.facts import Catalog

Overrides = Annotated[list[str] | None, typer.Argument(help="settings as key=value, such as train.epochs=20")]
Out = Annotated[Path, typer.Option(help="folder of results; runs with the same folder share finished stages")]
StudyName = Annotated[str, typer.Argument(help="YAML file or name of a study; see 'list studies'")]
ScaleName = Annotated[str, typer.Option(help="scale of the study, such as smoke, laptop or paper")]
Strict = Annotated[bool, typer.Option("--strict-plugins", help="fail if any plugin is broken")]
BoardFolder = Annotated[Path, typer.Option("--board", help="folder of the leaderboard")]
DatasetName = Annotated[str, typer.Argument(help="dataset as NAME or NAME/PART")]


LOG_WIDTH = 160


def command_group(help: str) -> typer.Typer:
    """Create a group of commands."""
    return typer.Typer(
        add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, help=help
    )


def catalog_of(*, strict: bool = False) -> Catalog:
    """Discover the installed components."""
    from sslbench.catalog.discovery import discover_installed

    return discover_installed(strict=strict)


def make_console() -> Console:
    """Create a console of the terminal's width; output to a file has the width in $COLUMNS, else 160."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=environment.terminal_width() or LOG_WIDTH)
