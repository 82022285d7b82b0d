"""Define the commands of studies: study run, status, report, and class-effects."""

from __future__ import annotations

import gc
import sys
from pathlib import Path
from typing import Annotated

import typer

from sslbench import environment
from sslbench.api.errors import RequestError
from sslbench.cli.options import Out, Overrides, ScaleName, StudyName, catalog_of, command_group, make_console
from sslbench.cli.run_plan import report_interruption

app = command_group("")
study_app = command_group("Run grids of runs, show their progress, and report their results.")


@study_app.command("run")
def study_run(
    study: StudyName,
    overrides: Overrides = None,
    scale: ScaleName = "",
    executor: Annotated[str, typer.Option(help="executor of the workers; see 'list executors'")] = "",
    plan: Annotated[
        bool, typer.Option("--plan", help="print the grid and its estimated time without running it")
    ] = False,
    retry: Annotated[bool, typer.Option("--retry-failed", help="repeat failed stages")] = False,
    out: Out = Path("runs"),
) -> None:
    """Run every unfinished point of a study, and make its report."""
    if plan:
        gc.disable()  # the process ends soon, and collections during its imports take a second
    from sslbench.app import study as commands
    from sslbench.report.console.study_progress import study_progress_for
    from sslbench.report.console.terminal import show_report

    console, catalog = make_console(), catalog_of()
    progress = study_progress_for(console)
    requests, executor_overrides = commands.split_overrides(overrides or [])
    opened = commands.open_study(catalog, study, scale, requests, out, progress, announce=plan)
    if plan:
        for line in commands.plan_lines(opened, environment.count_cores()):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        if opened.grid.missing:
            sys.exit(3)
        return
    chosen = commands.choose_executor(catalog, opened.study, executor, executor_overrides)
    with report_interruption(console, lambda: f"Finished stages and checkpoints are kept in {out}"):
        report = commands.run(opened, chosen, progress, retry=retry)
    show_report(console, report, opened.folder.path)
    if any(": failed: " in sentence for sentence in report.missing):
        sys.exit(1)


@study_app.command("status")
def study_status(study: StudyName, overrides: Overrides = None, scale: ScaleName = "", out: Out = Path("runs")) -> None:
    """Print which runs of a study are done, running, waiting, failed or stale."""
    from sslbench.app import study as commands
    from sslbench.report.console.study_progress import study_progress_for

    requests, _ = commands.split_overrides(overrides or [])
    opened = commands.open_study(
        catalog_of(), study, scale, requests, out, study_progress_for(make_console()), announce=True
    )
    print("\n".join(commands.status_lines(opened)))


@study_app.command("report")
def study_report(study: StudyName, overrides: Overrides = None, scale: ScaleName = "", out: Out = Path("runs")) -> None:
    """Make a study's tables, figures and page from its finished runs."""
    from sslbench.app import study as commands
    from sslbench.report.console.study_progress import study_progress_for
    from sslbench.report.console.terminal import show_report

    console = make_console()
    requests, _ = commands.split_overrides(overrides or [])
    opened = commands.open_study(catalog_of(), study, scale, requests, out, study_progress_for(console), announce=True)
    show_report(console, commands.report(opened), opened.folder.path)


@app.command("class-effects")
def class_effects(
    study: StudyName,
    axis: Annotated[str, typer.Option(help="axis of the study whose effect on classes is tested")],
    overrides: Overrides = None,
    scale: ScaleName = "",
    protocol: Annotated[str, typer.Option(help="protocol whose predictions are tested")] = "linear",
    by: Annotated[
        str,
        typer.Option(
            help="class, label, number, dataset, or a column of the dataset such as plate; default: by target"
        ),
    ] = "",
    metric: Annotated[
        str, typer.Option(help="score of a class, label or number; default: recall, average_precision or r2")
    ] = "",
    overall: Annotated[
        str, typer.Option(help="metric over all samples; default: micro_accuracy, macro_average_precision or r2")
    ] = "",
    reference: Annotated[str, typer.Option(help="value that the others of an axis of names are compared with")] = "",
    compare_protocol: Annotated[str, typer.Option(help="second protocol whose trends are compared")] = "",
    basis: Annotated[str, typer.Option(help="what trends are tested on: seeds, means, all or ranks")] = "seeds",
    correction: Annotated[str, typer.Option(help="correction of p-values: raw, bh or holm")] = "bh",
    out: Out = Path("runs"),
) -> None:
    """Test how an axis changes the score of each class, label, number or group: trends or differences between names."""
    from sslbench.app import study as commands
    from sslbench.convert import convert
    from sslbench.report.console.study_progress import study_progress_for
    from sslbench.report.console.terminal import show_tables
    from sslbench.study.definition import ClassEffectSettings

    console, problems = make_console(), list[str]()
    wanted = {
        "axis": axis,
        "reference": reference,
        "protocol": protocol,
        "metric": metric,
        "by": by,
        "overall": overall,
    }
    wanted |= {"compare_protocol": compare_protocol, "basis": basis, "correction": correction}
    settings = convert(wanted, ClassEffectSettings, "class-effects", problems)
    if problems:
        raise RequestError(problems)
    requests, _ = commands.split_overrides(overrides or [])
    opened = commands.open_study(catalog_of(), study, scale, requests, out, study_progress_for(console), announce=True)
    effect = commands.class_effects(opened, settings)
    show_tables(console, effect.tables, effect.folder)
    console.print(f"\ntables and figures: {effect.folder}", highlight=False, markup=False, soft_wrap=True)


@app.command("bias", hidden=True, context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def bias(context: typer.Context) -> None:
    """State the new name of this command."""
    raise RequestError(["sslbench bias is now sslbench class-effects"])
