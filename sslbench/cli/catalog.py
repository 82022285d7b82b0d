"""Define the commands about installed components and this machine: list, show, doctor, version."""

from __future__ import annotations

import sys
from typing import Annotated, cast

import typer

from sslbench.api.errors import RequestError
from sslbench.api.specs import Kind
from sslbench.api.suggestions import did_you_mean
from sslbench.cli.options import Strict, catalog_of, command_group

app = command_group("Compare self-supervised methods on your data, overall and for each class.")
KINDS = {
    "methods": "method", "backbones": "backbone", "operations": "operation", "augmentations": "augmentation",
    "datasets": "dataset", "protocols": "protocol", "metrics": "metric", "studies": "study", "executors": "executor",
    "recipes": "recipe", "references": "reference", "layouts": "layout",
}  # fmt: skip


@app.command("list")
def list_(
    kind: Annotated[str, typer.Argument(help=f"one of: {', '.join(KINDS)}")] = "",
    everything: Annotated[bool, typer.Option("--all", help="expand families such as timm")] = False,
    problems: Annotated[bool, typer.Option("--problems", help="list problems of installed plugins")] = False,
    strict: Strict = False,
) -> None:
    """List installed components and the distributions that provide them."""
    from sslbench.report.console.listing import list_lines, problem_lines

    catalog = catalog_of(strict=strict)
    if problems:
        print("\n".join(problem_lines(catalog)))
        return
    if kind and kind not in KINDS:
        raise RequestError([f"{kind!r} is not a kind of component{did_you_mean(kind, KINDS)}"])
    kinds = [cast(Kind, KINDS[kind])] if kind else [cast(Kind, k) for k in KINDS.values()]
    print("\n".join(list_lines(catalog, kinds, expand=everything)))


@app.command()
def show(
    kind: Annotated[str, typer.Argument(help="settings, or one of: " + ", ".join(KINDS.values()))],
    name: Annotated[
        str, typer.Argument(help="component, or section of settings such as train; '' lists sections")
    ] = "",
    markdown: Annotated[
        bool, typer.Option("--markdown", help="settings as the reference page docs/settings.md")
    ] = False,
    strict: Strict = False,
) -> None:
    """Print the description of a component, or every setting of a section with type, default, allowed values and help."""
    from sslbench.report.console.component_description import show_lines, show_settings
    from sslbench.report.console.settings_help import reference_page

    singular = KINDS.get(kind, kind)
    if kind == "settings":
        catalog = catalog_of(strict=strict)
        print("\n".join(reference_page(catalog) if markdown else show_settings(catalog, name)))
        return
    if singular not in KINDS.values() or not name:
        unnamed = f"{kind}: the name of the component is missing. Write 'sslbench show {singular} NAME'"
        unknown = f"{kind!r} is not a kind of component{did_you_mean(kind, KINDS.values())}"
        raise RequestError([unnamed if singular in KINDS.values() else unknown])
    print("\n".join(show_lines(catalog_of(strict=strict), cast(Kind, singular), name)))


@app.command()
def doctor() -> None:
    """Check disk space, devices, data, plugins and versions before a long run."""
    from sslbench.report.console.doctor import doctor_lines

    lines, good = doctor_lines(catalog_of())
    print("\n".join(lines))
    if not good:
        sys.exit(1)


@app.command()
def version() -> None:
    """Print the version."""
    from sslbench import __version__

    print(__version__)
