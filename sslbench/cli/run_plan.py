"""Print the first line of `run`, the plan of `run --plan`, and a message when a run is interrupted."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sslbench import environment
from sslbench.api.errors import DataMissing

if TYPE_CHECKING:
    from rich.console import Console

    from sslbench.catalog.facts import Catalog
    from sslbench.progress import Display


def show_first_line(console: Console, names: Sequence[str]) -> None:
    """Print a first line, before anything slow is imported."""
    title = f" ({' on '.join(names)})" if names else ""
    show_lines(console, [f"reading the request{title} and searching for the data"])


def show_lines(console: Console, lines: Iterable[str]) -> None:
    """Print lines without wrapping or markup."""
    for line in lines:
        console.print(line, highlight=False, markup=False, soft_wrap=True)


@contextmanager
def report_interruption(console: Console, describe_kept: Callable[[], str]) -> Iterator[None]:
    """On Ctrl-C or SIGTERM, keep a checkpoint and print what is kept and how to continue."""
    from sslbench.train.interrupt import Interrupted, handle_signals

    try:
        with handle_signals():
            yield
    except Interrupted as signal:
        command = shlex.join(["sslbench", *sys.argv[1:]])
        show_lines(console, [f"stopped. {describe_kept()}", f"to continue, repeat the command: {command}"])
        sys.exit(signal.code)


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
    """Print the stages of a run and their estimated time; exits with 3 if data is missing."""
    from sslbench.app.run import list_runs, plan_requests
    from sslbench.app.run_costs import plan_lines
    from sslbench.catalog.metrics import installed_metrics
    from sslbench.config.datasets import DatasetCache
    from sslbench.results.store import Store

    datasets = DatasetCache(environment.places(), use_placeholders=True)
    plans = plan_requests(lists, options, overrides, config, catalog, datasets, display)
    missing = list(dict.fromkeys(datasets.placeholders))
    show_lines(
        console,
        (
            f"missing: dataset {name!r} is not on this machine; planned with the numbers of its description"
            for name in missing
        ),
    )
    for sentence in dict.fromkeys(sentence for plan in plans for sentence in plan.warnings):
        display.warn(sentence)
    show_lines(console, plan_lines(list_runs(plans, Store(root=out), installed_metrics(catalog))))
    if missing:
        sys.exit(DataMissing.exit_code)
