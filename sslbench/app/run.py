"""Implement `sslbench run` and `sslbench.run()`."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from sslbench import environment
from sslbench.api.errors import DataBroken, RequestError
from sslbench.app.extra_workers import extra_workers
from sslbench.app.run_costs import RunCosts
from sslbench.catalog.discovery import discover_installed
from sslbench.catalog.events import EventBus
from sslbench.catalog.facts import Catalog
from sslbench.catalog.metrics import MetricTable, installed_metrics
from sslbench.config.baselines import plan_with_baselines
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine, Plan
from sslbench.config.request import read_request
from sslbench.data.summary import describe_summary, summarize_data
from sslbench.pipeline.stages import make_run
from sslbench.progress import Display, NoDisplay
from sslbench.results.frames import Results, read_record
from sslbench.results.store import Store
from sslbench.stages.graph import Run, Stage, distinct_stages
from sslbench.stages.lease import Leases
from sslbench.stages.space import require_space_for
from sslbench.stages.stage import clear_failure, load_failure
from sslbench.stages.work import work


def run(
    method: str,
    dataset: str,
    *,
    out: str | Path = "runs",
    config: str | Path | None = None,
    settings: Mapping[str, Any] | None = None,
    display: Display | None = None,
) -> Results:
    """Pretrain and evaluate methods as `sslbench run` does; the first record is that of the method.

    `settings` maps dotted paths to values, such as `{"train.epochs": 20}`.
    """
    overrides = [f"{path}={_format_value(value)}" for path, value in (settings or {}).items()]
    catalog = discover_installed()
    lists = {"method": method.split(","), "data": dataset.split(",")}
    file = Path(config) if config else None
    return run_requests(lists, {}, overrides, file, Path(out), catalog, display or NoDisplay())


def run_requests(
    lists: Mapping[str, Sequence[str]],
    options: Mapping[str, Any],
    overrides: Sequence[str],
    file: Path | None,
    out: Path,
    catalog: Catalog,
    display: Display,
    costs: RunCosts | None = None,
) -> Results:
    """Run every combination of the listed components, and the baselines of each; equal rows run once.

    With `costs`, the stages and their estimated time are shown first.
    """
    datasets = DatasetCache(environment.places())
    plans = plan_requests(lists, options, overrides, file, catalog, datasets, display)
    return run_plans(plans, Store(root=out), catalog, display, costs)


def plan_requests(
    lists: Mapping[str, Sequence[str]],
    options: Mapping[str, Any],
    overrides: Sequence[str],
    file: Path | None,
    catalog: Catalog,
    datasets: DatasetCache,
    display: Display,
) -> list[Plan]:
    """Plan every combination of the listed components and their baselines; raises RequestError with every problem."""
    plans: list[Plan] = []
    problems: list[str] = []
    for names in itertools.product(*lists.values()):
        chosen = {component: {"name": name} for component, name in zip(lists, names, strict=True) if name}
        tree = read_request(file, {**options, **chosen}, overrides)
        try:
            plans += plan_with_baselines(tree, catalog, datasets, detect_machine(), display.log)
        except RequestError as error:
            problems += error.problems
    if problems:
        raise RequestError(list(dict.fromkeys(problems)))
    for line in data_lines(plans):
        display.log(line)
    return sorted(plans, key=lambda plan: plan.spec.baseline)


def data_lines(plans: Sequence[Plan]) -> Iterator[str]:
    """Yield lines that describe the data of plans, each part once."""
    parts = {part.name: (part, plan) for plan in plans for part in (*plan.pretrain_parts, *plan.evaluate_parts)}
    for part, plan in parts.values():
        groups = part.choice.spec.card.groups
        yield from describe_summary(summarize_data(part.name, part.dataset, plan.splits, groups))


def list_runs(plans: Sequence[Plan], store: Store, metrics: MetricTable) -> list[tuple[Plan, Run]]:
    """List the distinct runs of plans, each with the first plan that needs it."""
    found: dict[str, tuple[Plan, Run]] = {}
    for plan in plans:
        run = make_run(plan, store, metrics)
        found.setdefault(run.name, (plan, run))
    return list(found.values())


def order_runs(planned: Sequence[tuple[Plan, Run]]) -> list[tuple[Plan, Run]]:
    """Order runs so that baselines without training come last: their short stages keep every worker busy to the end."""
    return sorted(planned, key=lambda item: item[0].spec.baseline and not item[0].spec.trains)


def run_plans(
    plans: Sequence[Plan], store: Store, catalog: Catalog, display: Display, costs: RunCosts | None = None
) -> Results:
    """Run plans and return their records; equal plans run once, and failed stages are repeated.

    Raises DataBroken or RequestError if a stage raised one, as the user can fix those.
    """
    planned = list_runs(plans, store, installed_metrics(catalog))
    runs = [run for _, run in planned]
    stages = distinct_stages(runs)
    if environment.process_count() > 1:
        _check_processes(plans)
    require_space_for(stages.values())
    for sentence in dict.fromkeys(sentence for plan in plans for sentence in plan.warnings):
        display.warn(sentence)
    if costs is not None and not environment.process_rank():
        costs.begin(planned)
    for folder in stages:
        clear_failure(folder)
    if environment.process_rank():
        from sslbench.train.distributed.launch import serve

        serve(partial(_join_training, {stage.key: stage for stage in stages.values() if stage.kind == "pretrain"}))
        return Results(records=())
    try:
        ordered = order_runs(planned)
        with extra_workers([plan for plan, _ in ordered], stages.values(), store, display.log):
            work([run for _, run in ordered], Leases(), display, EventBus(catalog, display.log), rewrite_records=True)
    finally:
        if environment.process_count() > 1:
            from sslbench.train.distributed.launch import release_workers

            release_workers()
    if costs is not None:
        costs.end()
    for folder in stages:
        if (failure := load_failure(folder)) is not None and failure.code in (2, 3):
            raise RequestError([failure.reason]) if failure.code == 2 else DataBroken(failure.reason)
    return Results(records=tuple(read_record(run.record) for run in runs), root=store.root)


def _check_processes(plans: Sequence[Plan]) -> None:
    """Raise RequestError if a training does not use exactly the processes that were started together."""
    started = environment.process_count()
    for plan in plans:
        if plan.spec.trains and plan.train.processes != started:
            raise RequestError([
                f"train.devices x train.nodes = {plan.train.processes}, but {started} processes were started together. "
                f"Set train.devices to the processes of each machine and train.nodes to the number of machines"
            ])  # fmt: skip


def _join_training(stages: Mapping[str, Stage], key: str, folder: Path) -> None:
    """Take part in a pretraining that the first process leads and whose errors it reports."""
    with NoDisplay().stage(key) as line:
        stages[key].make(folder, line)


def detect_machine() -> Machine:
    """Return this machine's defaults for settings that requests do not set."""
    return Machine(
        threads=environment.count_cores(), precision=environment.best_precision(),
        cpu_matmul_dtype=environment.cpu_precision(), small_threads=None if environment.count_gpus() else 1,
    )  # fmt: skip


def _format_value(value: Any) -> str:
    """Format a Python value as in an override."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, default=str)
