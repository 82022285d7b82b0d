"""Commands for authors of plugins: plugin check, new."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from sslbench import environment
from sslbench.cli.options import catalog_of, command_group

plugin_app = command_group("For authors of plugins: begin one, and prove it right.")


@plugin_app.command("check")
def plugin_check(
    name: Annotated[str, typer.Argument(help="an installed distribution, or a component as NAME or KIND/NAME")],
) -> None:
    """Try every promise of the plugin contract, and say why it matters and what to change where one is broken."""
    from sslbench.catalog.discovery import installed_entries
    from sslbench.testing import kit

    subjects = kit.subjects_of(name, kit.with_props(installed_entries()))
    lines, good = kit.table(subjects)
    print("\n".join([*lines, "", kit.summary(subjects)]))
    if not good:
        sys.exit(1)


@plugin_app.command("new")
def plugin_new(
    name: Annotated[str, typer.Argument(help="what it is called: lower-case words joined by '-'")],
    kind: Annotated[str, typer.Option(help="method, backbone, augmentation, dataset or protocol")],
    folder: Annotated[Path, typer.Option(help="where its folder is written")] = Path(),
) -> None:
    """Write a complete plugin package that installs, runs and passes the checks as it is."""
    from sslbench import __version__
    from sslbench.testing.new import new_plugin

    written = new_plugin(name, kind, folder, __version__, int(environment.today()[:4]), catalog_of())
    lines = [str(path) for path in written]
    print("\n".join([*lines, f"next: pip install --editable '{folder / name}[test]' && sslbench plugin check {name}"]))
