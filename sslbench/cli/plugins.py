"""Define the commands for authors of plugins: plugin check, new."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sslbench import environment
from sslbench.cli.options import catalog_of, command_group

plugin_app = command_group("Create and check plugins.")


@plugin_app.command("check")
def plugin_check(
    name: Annotated[str, typer.Argument(help="installed distribution, or component as NAME or KIND/NAME")],
) -> None:
    """Check every rule of the plugin contract, and print what to change where one is violated."""
    from sslbench.catalog.discovery import installed_entries
    from sslbench.testing import kit

    subjects = kit.subjects_of(name, kit.with_kit(installed_entries()))
    lines, good = kit.table(subjects)
    print("\n".join([*lines, "", kit.summary(subjects)]))
    if not good:
        sys.exit(1)


@plugin_app.command("new")
def plugin_new(
    name: Annotated[str, typer.Argument(help="name of the plugin: lower-case words joined by '-'")],
    kind: Annotated[
        str, typer.Option(help="method, backbone, augmentation, dataset, protocol, metric, layout, study or executor")
    ],
    folder: Annotated[Path, typer.Option(help="folder in which the plugin's folder is created")] = Path(),
) -> None:
    """Write a complete plugin package that installs, runs and passes the checks."""
    from sslbench import __version__
    from sslbench.testing.new import new_plugin

    written = new_plugin(name, kind, folder, __version__, int(environment.today()[:4]), catalog_of())
    lines = [str(path) for path in written]
    print("\n".join([*lines, f"next: pip install --editable '{folder / name}[test]' && sslbench plugin check {name}"]))
