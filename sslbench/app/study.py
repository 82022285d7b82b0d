"""Implement `sslbench study`: plan, run, status, report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslbench import environment
from sslbench.analysis.tables.selection import NOT_REQUESTED
from sslbench.api.errors import RequestError
from sslbench.api.executors import Executor
from sslbench.api.varied import Varied
from sslbench.app.run import detect_machine
from sslbench.app.study_folder import StudyFolder, run_study
from sslbench.app.worker_progress import read_worker_progress
from sslbench.catalog.facts import Catalog
from sslbench.catalog.metrics import MetricTable, installed_metrics
from sslbench.config.choices import choose
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine
from sslbench.data.key_form import digest
from sslbench.data.label_subsets import declared_settings
from sslbench.pipeline.stages import make_run, make_stages
from sslbench.progress import format_duration
from sslbench.report.class_effects import class_effect_report
from sslbench.report.console.costs import doubt_lines, stage_lines
from sslbench.report.console.study_progress import StudyProgress, describe_worker
from sslbench.report.published import compare_with_published
from sslbench.report.study import Report, find_unknown_names, make_report
from sslbench.report.tables import EffectReport
from sslbench.results.frames import Results, read_record
from sslbench.results.store import Store
from sslbench.stages.graph import Run
from sslbench.stages.lease import Leases
from sslbench.study.definition import ClassEffectSettings, Study, find_study, flatten, read_study
from sslbench.study.estimate import PLAN_SECONDS, estimate
from sslbench.study.grid import Grid, Point, make_grid, make_points, nest
from sslbench.study.published import published_problems
from sslbench.study.status import ORDER, RunStatus, earlier_runs, find_status, seconds_left
from sslbench.yaml_values import parse_override


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenedStudy:
    """A planned study at one scale: its folder, points and rows."""

    catalog: Catalog
    study: Study
    folder: StudyFolder
    points: Sequence[Point]
    grid: Grid
    machine: Machine

    @property
    def metrics(self) -> MetricTable:
        """Return the installed metrics."""
        return installed_metrics(self.catalog)


def open_study(
    catalog: Catalog,
    name: str,
    scale: str,
    overrides: Sequence[str],
    out: Path,
    progress: StudyProgress,
    *,
    announce: bool,
) -> OpenedStudy:
    """Read and plan a study; raises RequestError with every problem of the file and of every point."""
    study = read_study(find_study(catalog, name), scale)
    points = make_points(study, overrides)
    machine = detect_machine()
    problems = find_output_problems(study, catalog)
    try:
        grid = make_grid(
            points, catalog, DatasetCache(environment.places(), use_placeholders=announce), machine, progress.log
        )
    except RequestError as error:
        raise RequestError([*problems, *error.problems]) from error
    if problems:
        raise RequestError(problems)
    folder = StudyFolder(path=Store(root=out).study(folder_name(study, overrides)))
    return OpenedStudy(catalog=catalog, study=study, folder=folder, points=points, grid=grid, machine=machine)


def find_output_problems(study: Study, catalog: Catalog) -> list[str]:
    """List unknown names in a study's tables, figures and claims, and problems of its published numbers."""
    varied = [one.name for one in list_installed_settings(catalog)]
    problems = find_unknown_names(study, varied)
    problems += published_problems(study, installed_metrics(catalog), varied)
    against = {table.name: catalog.find("method", table.against) for table in study.tables if table.against}
    return problems + [f"tables[{name}].against: {found}" for name, found in against.items() if isinstance(found, str)]


def list_installed_settings(catalog: Catalog) -> tuple[Varied, ...]:
    """List the settings that the installed protocols vary."""
    return declared_settings(component.spec for component in catalog.all("protocol"))


def folder_name(study: Study, overrides: Sequence[str]) -> str:
    """Return the name of a study's folder: its name, its scale, and a hash of overrides."""
    return "-".join(filter(None, (study.name, study.scale, digest(sorted(overrides))[:6] if overrides else "")))


def split_overrides(overrides: Sequence[str]) -> tuple[list[str], list[str]]:
    """Separate the overrides of requests from those of the executor (`executor.workers=2`)."""
    executor = [text for text in overrides if text.startswith("executor.")]
    return [text for text in overrides if text not in executor], executor


def choose_executor(catalog: Catalog, study: Study, name: str, overrides: Sequence[str]) -> Executor:
    """Build the requested executor; raises RequestError for invalid settings or a missing library."""
    settings = flatten(study.executor) | {k: parse_override(v) for k, _, v in (o.partition("=") for o in overrides)}
    tree = nest({path.removeprefix("executor."): value for path, value in settings.items()})
    declared = tree.pop("name", "local")
    wanted = name or declared
    if wanted != declared:
        tree = nest({k.partition(".")[2]: parse_override(v) for k, _, v in (o.partition("=") for o in overrides)})
    problems: list[str] = []
    choice = choose(catalog, "executor", wanted, tree, "executor", problems)
    if choice is not None and (missing := choice.spec.missing()):
        problems.append(missing)
    if problems or choice is None:
        raise RequestError(problems)
    executor: Executor = choice.build()
    return executor


def run(opened: OpenedStudy, executor: Executor, progress: StudyProgress, *, retry: bool) -> Report:
    """Run everything that is not finished, and make the report."""
    opened.folder.write(opened.study, opened.points, opened.grid, opened.machine)
    threads = max((row.plan.threads for row in opened.grid.rows), default=1)
    run_study(opened.folder, opened.grid, opened.metrics, executor, threads, progress, retry=retry)
    return report(opened)


def report(opened: OpenedStudy) -> Report:
    """Make tables and figures from the finished runs."""
    results, points = _results(opened)
    published = compare_with_published(opened.catalog, results)
    return make_report(opened.study, results, points, opened.folder.path, opened.metrics, published)


def class_effects(opened: OpenedStudy, settings: ClassEffectSettings) -> EffectReport:
    """Make tables and figures of an axis's effect on each class; raises RequestError if it cannot be tested."""
    results, points = _results(opened)
    root = opened.folder.path / "class-effects"
    return class_effect_report(opened.study, results, points, settings, opened.metrics, root)


def _results(opened: OpenedStudy) -> tuple[Results, Mapping[str, Sequence[Mapping[str, Any]]]]:
    """Return the existing records, and the points of the grid that each run belongs to."""
    rows = opened.grid.rows
    points = {
        row.name: [{**point, NOT_REQUESTED: True} for point in row.points] if row.is_secondary else row.points
        for row in rows
    }
    paths = [opened.folder.store.run(name) / "record.json" for name in points]
    records = tuple(read_record(path) for path in paths if path.exists())
    installed = list_installed_settings(opened.catalog)
    return Results(records=records, root=opened.folder.store.root, repeat_shared=True, installed=installed), points


def plan_lines(opened: OpenedStudy, workers: int) -> Iterator[str]:
    """Yield lines about the grid, its distinct stages, their estimated time, and missing data."""
    study, grid = opened.study, opened.grid
    yield f"{study.name}: {study.summary}" if study.summary else study.name
    if study.cost:
        yield f"cost according to its author: {study.cost}"
    for axis in study.axes:
        yield f"  {axis.name}: {', '.join(map(str, axis.values))}"
    seeds = sorted({len(row.plan.seeds) for row in grid.rows})
    ending = "" if seeds == [1] else "s"
    baselines = sum(row.plan.spec.baseline for row in grid.rows)
    yield (
        f"{len(opened.points)} points, {len(grid.rows)} runs ({baselines} of them baselines) "
        f"of {' or '.join(map(str, seeds)) or 'no'} seed{ending}"
    )
    yield from (f"missing: {sentence}" for sentence in grid.missing)
    yield from (
        f"missing: dataset {name!r} is not on this machine; planned with the numbers of its description"
        for name in grid.placeholders
    )
    if not grid.rows:
        return
    planned = [(row.plan, tuple(make_stages(row.plan, opened.folder.store))) for row in grid.rows]
    found = estimate(planned, make_stages, PLAN_SECONDS)
    yield from stage_lines(found)
    total = sum(len(stages) for _, stages in planned)
    yield (
        f"{sum(found.stages.values())} distinct stages ({total} in all runs): "
        f"about {format_duration(found.total)} sequentially, "
        f"{format_duration(found.total / workers)} with {workers} worker(s)"
    )
    yield from doubt_lines(found)


def status_lines(opened: OpenedStudy) -> Iterator[str]:
    """Yield lines about the number of runs in each state, the time left, the workers, and every unfinished run."""
    leases = Leases()
    listed = opened.folder.earlier()
    found: list[RunStatus] = []
    runs: list[Run] = []
    for row in opened.grid.rows:
        earlier = earlier_runs(listed, row.points)
        existing = [name for name in earlier if (opened.folder.store.run(name) / "record.json").exists()]
        runs.append(make_run(row.plan, opened.folder.store, opened.metrics))
        found.append(find_status(runs[-1], leases, existing))
    yield ", ".join(f"{sum(s.state == state for s in found)} {state}" for state in ORDER) + f" of {len(found)} runs"
    active = read_worker_progress(opened.folder.workers)
    left = seconds_left(runs)
    if left:
        yield f"about {format_duration(left / max(1, len(active)))} left with {max(1, len(active))} worker(s)"
    yield from (f"  {worker.worker}: {describe_worker(worker)}" for worker in active)
    for one in found:
        if one.state != "done":
            yield f"  {one.state:8} {one.run}: {one.done}/{one.total} stages{f'; {one.reason}' if one.reason else ''}"
    yield from (f"missing: {sentence}" for sentence in opened.grid.missing)
