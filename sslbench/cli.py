"""The command line: arguments in, text out; no logic. Heavy modules are imported by the command that needs them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, cast

import typer

from sslbench import environment
from sslbench.api.errors import RequestError, SslbenchError
from sslbench.api.specs import Kind

if TYPE_CHECKING:
    from rich.console import Console

    from sslbench.catalog.facts import Catalog

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Which self-supervised method learns your data best, and which classes does it betray?",
)
data_app = typer.Typer(no_args_is_help=True, help="Prepare, check and find datasets.")
app.add_typer(data_app, name="data")
study_app = typer.Typer(no_args_is_help=True, help="Grids of runs: run them, see how far they are, report.")
app.add_typer(study_app, name="study")
plugin_app = typer.Typer(no_args_is_help=True, help="For authors of plugins: begin one, and prove it right.")
app.add_typer(plugin_app, name="plugin")

Overrides = Annotated[list[str] | None, typer.Argument(help="settings as key=value, such as train.epochs=20")]
Out = Annotated[Path, typer.Option(help="where results go; runs that share it share work")]
StudyName = Annotated[str, typer.Argument(help="a YAML file, or a name; see 'list studies'")]
ScaleName = Annotated[str, typer.Option(help="a variant that the study offers, such as smoke, laptop or paper")]
Strict = Annotated[bool, typer.Option("--strict-plugins", help="stop when any plugin is broken")]
KINDS = {
    "methods": "method", "backbones": "backbone", "operations": "operation", "augmentations": "augmentation",
    "datasets": "dataset", "protocols": "protocol", "studies": "study", "executors": "executor",
    "recipes": "recipe", "references": "reference",
}  # fmt: skip


def main() -> None:
    """Run the command line; a user's mistake ends in sentences, not in a traceback."""
    try:
        app()
    except SslbenchError as error:
        _fail(error)


def _fail(error: SslbenchError) -> NoReturn:
    lines = error.problems if isinstance(error, RequestError) else str(error).splitlines()
    for line in lines:
        print(f"error: {line}", file=sys.stderr)
    sys.exit(error.exit_code)


def _catalog(*, strict: bool = False) -> Catalog:
    from sslbench.catalog.discovery import discover, installed_entries

    return discover(installed_entries(), disabled=environment.disabled_plugins(), strict=strict)


@app.command("list")
def list_(
    kind: Annotated[str, typer.Argument(help=f"one of: {', '.join(KINDS)}")] = "",
    everything: Annotated[bool, typer.Option("--all", help="expand families such as timm")] = False,
    problems: Annotated[bool, typer.Option("--problems", help="what is wrong with installed plugins")] = False,
    strict: Strict = False,
) -> None:
    """Show what is installed, and from where."""
    from sslbench.report.catalog import list_lines, problem_lines

    catalog = _catalog(strict=strict)
    if problems:
        print("\n".join(problem_lines(catalog)))
        return
    if kind and kind not in KINDS:
        raise RequestError([f"{kind!r} is nothing that can be listed; possible: {', '.join(KINDS)}"])
    kinds = [cast(Kind, KINDS[kind])] if kind else [cast(Kind, k) for k in KINDS.values()]
    print("\n".join(list_lines(catalog, kinds, expand=everything)))


@app.command()
def show(
    kind: Annotated[str, typer.Argument(help="one of: " + ", ".join(KINDS.values()))],
    name: Annotated[str, typer.Argument(help="its name")],
    strict: Strict = False,
) -> None:
    """Explain one component: summary, paper, every setting with its default and meaning."""
    from sslbench.report.catalog import show_lines

    singular = KINDS.get(kind, kind)
    if singular not in KINDS.values():
        raise RequestError([f"{kind!r} is no kind of component; possible: {', '.join(KINDS.values())}"])
    print("\n".join(show_lines(_catalog(strict=strict), cast(Kind, singular), name)))


@app.command()
def run(
    overrides: Overrides = None,
    method: Annotated[str, typer.Option(help="the method; here and below, several joined by ',' are compared")] = "",
    dataset: Annotated[str, typer.Option(help="the data: NAME, or NAME/PART of it")] = "",
    backbone: Annotated[str, typer.Option(help="the encoder, or image=NAME,profile=NAME")] = "",
    augmentation: Annotated[str, typer.Option(help="the views: NAME, or LEFT:0.4+RIGHT:1.0")] = "",
    recipe: Annotated[str, typer.Option(help="settings that go together; see 'show method NAME'")] = "",
    protocols: Annotated[str, typer.Option(help="what to measure, joined by ','")] = "",
    seeds: Annotated[str, typer.Option(help="pretraining seeds, such as 5,6,7")] = "",
    baselines: Annotated[str, typer.Option(help="rows beside it, joined by ','; none for none")] = "",
    config: Annotated[Path | None, typer.Option(help="a YAML file of settings")] = None,
    out: Out = Path("runs"),
    strict: Strict = False,
) -> None:
    """Pretrain, measure, and print the tables, beside the rows that every table needs."""
    import warnings

    from sslbench.execute.here import run_requests
    from sslbench.report.live import display_for
    from sslbench.report.published import published_beside
    from sslbench.report.terminal import show_results

    warnings.filterwarnings("ignore", module="lightning")
    options: dict[str, Any] = {}
    lists = {"method": method.split(","), "data": dataset.split(","), "augmentation": augmentation.split(",")}
    if "=" in backbone:
        options["backbones"] = dict(pair.split("=", 1) for pair in backbone.split(","))
    else:
        lists["backbone"] = backbone.split(",")
    plain = {"recipe": recipe, "measure": protocols, "seeds": seeds, "baselines": baselines}
    options |= {key: value for key, value in plain.items() if value}
    console = _console()
    display = display_for(console)
    catalog = _catalog(strict=strict)
    results = run_requests(lists, options, overrides or [], config, out, catalog, display)
    if not results.records:  # one of several processes that torchrun or srun started: the first tells
        return
    show_results(console, results.records, published_beside(catalog, results.records))
    console.print(f"\nresults: {out}/{results.records[0].run}", highlight=False, markup=False, soft_wrap=True)
    if any(record.status == "failed" for record in results.records):
        sys.exit(1)


@study_app.command("run")
def study_run(
    study: StudyName,
    overrides: Overrides = None,
    scale: ScaleName = "",
    executor: Annotated[str, typer.Option(help="where its workers run; see 'list executors'")] = "",
    plan: Annotated[bool, typer.Option("--plan", help="print the grid and its cost, and start nothing")] = False,
    retry: Annotated[bool, typer.Option("--retry-failed", help="try again what failed")] = False,
    out: Out = Path("runs"),
) -> None:
    """Run every point of a study that is not done, and make its report."""
    from sslbench.execute import commands
    from sslbench.report.board import board_for
    from sslbench.report.terminal import show_report

    console, catalog = _console(), _catalog()
    board = board_for(console)
    requests, own = commands.split_overrides(overrides or [])
    opened = commands.open_study(catalog, study, scale, requests, out, board, announce=plan)
    if plan:
        for line in commands.plan_lines(opened, environment.cores()):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        if opened.grid.missing:
            sys.exit(3)
        return
    found = commands.run(opened, commands.choose_executor(catalog, opened.study, executor, own), board, retry=retry)
    show_report(console, found, opened.folder.path)
    if any(": failed: " in sentence for sentence in found.missing):
        sys.exit(1)


@study_app.command("status")
def study_status(study: StudyName, overrides: Overrides = None, scale: ScaleName = "", out: Out = Path("runs")) -> None:
    """Say which runs of a study are done, running, waiting, failed or stale."""
    from sslbench.execute import commands
    from sslbench.report.board import board_for

    requests, _ = commands.split_overrides(overrides or [])
    opened = commands.open_study(_catalog(), study, scale, requests, out, board_for(_console()), announce=True)
    print("\n".join(commands.status_lines(opened)))


@study_app.command("report")
def study_report(study: StudyName, overrides: Overrides = None, scale: ScaleName = "", out: Out = Path("runs")) -> None:
    """Make a study's tables, figures and page from whatever is done."""
    from sslbench.execute import commands
    from sslbench.report.board import board_for
    from sslbench.report.terminal import show_report

    console = _console()
    requests, _ = commands.split_overrides(overrides or [])
    opened = commands.open_study(_catalog(), study, scale, requests, out, board_for(console), announce=True)
    show_report(console, commands.report(opened), opened.folder.path)


@app.command()
def bias(
    study: StudyName,
    axis: Annotated[str, typer.Option(help="the study's axis of numbers whose effect on classes is judged")],
    overrides: Overrides = None,
    scale: ScaleName = "",
    protocol: Annotated[str, typer.Option(help="the protocol whose answers are judged")] = "linear",
    metric: Annotated[str, typer.Option(help="the score of a class: recall, precision or f1")] = "recall",
    of: Annotated[str, typer.Option(help="classes, or datasets: the accuracy of each that is measured")] = "classes",
    beside: Annotated[str, typer.Option(help="a protocol whose trends are set against these")] = "",
    basis: Annotated[str, typer.Option(help="what trends are called by: seeds, means, all or ranks")] = "seeds",
    correction: Annotated[str, typer.Option(help="of its p values: raw, bh or holm")] = "bh",
    out: Out = Path("runs"),
) -> None:
    """Say which classes a setting helps and which it betrays, from the runs of a study that are done."""
    from sslbench.config.convert import convert
    from sslbench.execute import commands
    from sslbench.report.board import board_for
    from sslbench.report.terminal import show_tables
    from sslbench.study.definition import BiasSettings

    console, problems = _console(), list[str]()
    wanted = {"axis": axis, "protocol": protocol, "metric": metric, "of": of, "beside": beside}
    wanted |= {"basis": basis, "correction": correction}
    asked = convert(wanted, BiasSettings, "bias", problems)
    if problems:
        raise RequestError(problems)
    requests, _ = commands.split_overrides(overrides or [])
    opened = commands.open_study(_catalog(), study, scale, requests, out, board_for(console), announce=True)
    folder = opened.folder.path / "bias" / asked.name
    show_tables(console, commands.bias(opened, asked, folder), folder)
    console.print(f"\ntables and figures: {folder}", highlight=False, markup=False, soft_wrap=True)


def _console() -> Console:
    """A terminal as it is; a log has no edge to wrap at."""
    from rich.console import Console

    console = Console()
    return console if console.is_terminal else Console(width=160)


@data_app.command("prepare")
def data_prepare(
    dataset: Annotated[str, typer.Argument(help="NAME, or NAME/PART of it")], overrides: Overrides = None
) -> None:
    """Decode a dataset once into memory-mapped arrays."""
    from rich.console import Console

    from sslbench.data.commands import prepare_all
    from sslbench.report.live import display_for

    print("\n".join(prepare_all(_catalog(), dataset, overrides or [], display_for(Console()))))


@data_app.command("verify")
def data_verify(
    dataset: Annotated[str, typer.Argument(help="NAME, or NAME/PART of it")], overrides: Overrides = None
) -> None:
    """Compare a dataset's files with what is known of it: counts, classes, every file readable."""
    from sslbench.data.commands import verify

    lines, good = verify(_catalog(), dataset, overrides or [])
    print("\n".join(lines))
    if not good:
        sys.exit(3)


@data_app.command("where")
def data_where(
    dataset: Annotated[str, typer.Argument(help="NAME, or NAME/PART of it")], overrides: Overrides = None
) -> None:
    """Say where a dataset's files are, or where they were looked for and how to get them."""
    from sslbench.data.commands import where

    print("\n".join(where(_catalog(), dataset, overrides or [])))


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

    written = new_plugin(name, kind, folder, __version__, environment.this_year(), _catalog())
    lines = [str(path) for path in written]
    print("\n".join([*lines, f"next: pip install --editable '{folder / name}[test]' && sslbench plugin check {name}"]))


@app.command()
def doctor() -> None:
    """Check disk, devices, data, plugins and versions before a long run, not after."""
    from sslbench.report.doctor import doctor_lines

    lines, good = doctor_lines(_catalog())
    print("\n".join(lines))
    if not good:
        sys.exit(1)


@app.command()
def export(
    run: Annotated[Path, typer.Argument(help="a run's folder, as the last line of `run` names it")],
    to: Annotated[Path, typer.Option(help="where the files go")] = Path("export"),
    seed: Annotated[int | None, typer.Option(help="which seed (default: the first)")] = None,
) -> None:
    """Write a run's encoders as safetensors with a card; they load in plain torch."""
    from sslbench.results.export import export_run

    print("\n".join(str(path) for path in export_run(run, to, seed)))


@app.command()
def version() -> None:
    """Print the version."""
    from sslbench import __version__

    print(__version__)
