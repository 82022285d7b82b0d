"""Define the commands of single runs: run, compare, export."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from sslbench import environment
from sslbench.cli.options import Out, Overrides, Strict, catalog_of, command_group, make_console
from sslbench.cli.run_plan import report_interruption, show_first_line, show_lines, show_plan

app = command_group("")


@app.command()
def run(
    overrides: Overrides = None,
    method: Annotated[str, typer.Option(help="method; several names joined by ',' are compared, here and below")] = "",
    dataset: Annotated[str, typer.Option(help="dataset as NAME or NAME/PART")] = "",
    backbone: Annotated[str, typer.Option(help="encoder as NAME, or image=NAME,profile=NAME")] = "",
    augmentation: Annotated[str, typer.Option(help="augmentation as NAME, or NAME:0.4+OTHER:1.0")] = "",
    recipe: Annotated[str, typer.Option(help="recipe of the method; see 'show method NAME'")] = "",
    protocols: Annotated[str, typer.Option(help="evaluation protocols, joined by ','")] = "",
    seeds: Annotated[str, typer.Option(help="pretraining seeds, such as 5,6,7")] = "",
    metrics: Annotated[
        str, typer.Option(help="metrics shown in addition to the default ones, joined by ','; see 'list metrics'")
    ] = "",
    baselines: Annotated[str, typer.Option(help="baselines to compare with, joined by ','; none: no baselines")] = "",
    config: Annotated[Path | None, typer.Option(help="YAML file of settings")] = None,
    plan: Annotated[
        bool, typer.Option("--plan", help="print the stages and their estimated time without running them")
    ] = False,
    out: Out = Path("runs"),
    strict: Strict = False,
) -> None:
    """Pretrain and evaluate methods, and print their results next to those of the baselines."""
    console = make_console()
    if not environment.process_rank():
        show_first_line(console, [value for value in (method, dataset) if value])
    from sslbench.app.run import run_requests
    from sslbench.app.run_costs import RunCosts
    from sslbench.catalog.metrics import installed_metrics
    from sslbench.report.console.last_lines import last_lines
    from sslbench.report.console.progress_bars import display_for
    from sslbench.report.console.terminal import show_results
    from sslbench.report.published import compare_with_published
    from sslbench.report.run_page import write_run_page

    options: dict[str, Any] = {}
    lists = {"method": method.split(","), "data": dataset.split(","), "augmentation": augmentation.split(",")}
    if "=" in backbone:
        options["backbones"] = dict(pair.split("=", 1) for pair in backbone.split(","))
    else:
        lists["backbone"] = backbone.split(",")
    plain = {"recipe": recipe, "protocols": protocols, "seeds": seeds, "baselines": baselines}
    options |= {key: value for key, value in plain.items() if value}
    display = display_for(console)
    catalog = catalog_of(strict=strict)
    table = installed_metrics(catalog).showing([name for name in metrics.split(",") if name])
    if plan:
        show_plan(console, lists, options, overrides or [], config, out, catalog, display)
        return
    costs = RunCosts(display)
    with report_interruption(console, lambda: costs.describe_kept(out)):
        results = run_requests(lists, options, overrides or [], config, out, catalog, display, costs)
    if not results.records:  # of several processes started by torchrun or srun, only the first one prints
        return
    show_results(console, results, table, compare_with_published(catalog, results))
    show_lines(console, costs.took_lines())
    console.print()
    for line in last_lines(results, write_run_page(results, table), out):
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    if any(record.status == "failed" for record in results.records):
        sys.exit(1)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="folder of a run, or its name below --out")],
    second: Annotated[str, typer.Argument(help="run to compare it with")],
    protocol: Annotated[
        str, typer.Option(help="protocol whose predictions are compared (default: linear, else knn)")
    ] = "",
    out: Out = Path("runs"),
) -> None:
    """Compare two runs: paired differences overall and per class, and samples that only one run classifies correctly."""
    from sslbench.catalog.metrics import installed_metrics
    from sslbench.report.compared_runs import compare_runs
    from sslbench.report.console.compared_runs import show_comparisons

    metrics = installed_metrics(catalog_of())
    show_comparisons(make_console(), compare_runs(first, second, out, metrics, protocol=protocol))


@app.command()
def export(
    run: Annotated[str, typer.Argument(help="folder of a run, or its name below --out")],
    to: Annotated[Path, typer.Option(help="folder of the exported files")] = Path("export"),
    seed: Annotated[int | None, typer.Option(help="seed of the encoders (default: the first)")] = None,
    out: Out = Path("runs"),
) -> None:
    """Export a run's encoders as programs and weights that load without sslbench, with a card that shows how."""
    from sslbench.results.export import export_run
    from sslbench.results.find import find_run

    print("\n".join(str(path) for path in export_run(find_run(run, out), to, seed, catalog_of())))
