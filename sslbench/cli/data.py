"""Define the commands of datasets: data prepare, verify, where."""

from __future__ import annotations

import sys

from sslbench.cli.options import DatasetName, Overrides, catalog_of, command_group

data_app = command_group("Prepare, check and find datasets.")


@data_app.command("prepare")
def data_prepare(dataset: DatasetName, overrides: Overrides = None) -> None:
    """Decode a dataset into memory-mapped arrays."""
    from rich.console import Console

    from sslbench.app.data import prepare_all
    from sslbench.report.console.progress_bars import display_for

    print("\n".join(prepare_all(catalog_of(), dataset, overrides or [], display_for(Console()))))


@data_app.command("verify")
def data_verify(dataset: DatasetName, overrides: Overrides = None) -> None:
    """Compare a dataset's counts and classes with the published ones, and read every file."""
    from sslbench.app.data import verify

    lines, good = verify(catalog_of(), dataset, overrides or [])
    print("\n".join(lines))
    if not good:
        sys.exit(3)


@data_app.command("where")
def data_where(dataset: DatasetName, overrides: Overrides = None) -> None:
    """Print where a dataset's files are, or where they were searched for and how to get them."""
    from sslbench.app.data import locate

    print("\n".join(locate(catalog_of(), dataset, overrides or [])))
