"""What `run` prints before anything starts: its first line, and the plan that `--plan` asks for."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sslbench import environment
from sslbench.api.errors import DataMissing

if TYPE_CHECKING:
    from rich.console import Console

    from sslbench.catalog.facts import Catalog
    from sslbench.report.live import Display


def say_reading(console: Console, names: Sequence[str]) -> None:
    """Print a first line, before anything slow is imported."""
    told = f" ({' on '.join(names)})" if names else ""
    show_lines(console, [f"reading the request{told} and looking for the data"])


def show_lines(console: Console, lines: Iterable[str]) -> None:
    """Print lines as they are."""
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def show_plan(
    console: Console,
    lists: Mapping[str, Sequence[str]],
    options: Mapping[str, Any],
    overrides: Sequence[str],
    config: Path | None,
    out: Path,
    catalog: Catalog,
    display: Display,
) -> None:
    """Print what a run would do and about how long it takes; exits with 3 where its data is not here."""
    from sslbench.config.parts import Shelf
    from sslbench.execute.here import list_runs, plan_requests
    from sslbench.execute.run_costs import plan_lines
    from sslbench.results.store import Store

    shelf = Shelf(environment.places(), announce=True)
    plans = plan_requests(lists, options, overrides, config, catalog, shelf, display)
    missing = list(dict.fromkeys(shelf.stood_in))
    show_lines(console, (f"missing: dataset {name!r}; planned by what its card says of it" for name in missing))
    for sentence in dict.fromkeys(sentence for plan in plans for sentence in plan.warnings):
        display.warn(sentence)
    show_lines(console, plan_lines(list_runs(plans, Store(root=out))))
    if missing:
        sys.exit(DataMissing.exit_code)
