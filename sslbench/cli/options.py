"""What commands have in common: options, the catalog, the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sslbench import environment

if TYPE_CHECKING:
    from rich.console import Console

    from sslbench.catalog.facts import Catalog

Overrides = Annotated[list[str] | None, typer.Argument(help="settings as key=value, such as train.epochs=20")]
Out = Annotated[Path, typer.Option(help="where results go; runs that share it share work")]
StudyName = Annotated[str, typer.Argument(help="a YAML file, or a name; see 'list studies'")]
ScaleName = Annotated[str, typer.Option(help="a variant that the study offers, such as smoke, laptop or paper")]
Strict = Annotated[bool, typer.Option("--strict-plugins", help="stop when any plugin is broken")]
BoardFolder = Annotated[Path, typer.Option("--board", help="the leaderboard's folder")]
DatasetName = Annotated[str, typer.Argument(help="NAME, or NAME/PART of it")]


LOG_WIDTH = 160


def command_group(about: str) -> typer.Typer:
    """Commands that go together."""
    return typer.Typer(
        add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None, help=about
    )


def catalog_of(*, strict: bool = False) -> Catalog:
    """What is installed."""
    from sslbench.catalog.discovery import discover, installed_entries

    return discover(installed_entries(), disabled=environment.disabled_plugins(), strict=strict)


def make_console() -> Console:
    """Return the terminal as it is; a log, which has no edge to wrap at, is as wide as $COLUMNS says, else 160."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=environment.columns() or LOG_WIDTH)
