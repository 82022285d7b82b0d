"""Read and write a study's folder, and run a study's stages with an executor."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sslbench import environment
from sslbench.api.errors import DataMissing
from sslbench.api.executors import Executor, WorkerPool
from sslbench.api.files import write_atomically
from sslbench.app.worker_progress import clear_worker_progress, read_worker_progress
from sslbench.catalog.facts import Catalog
from sslbench.catalog.metrics import MetricTable
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine
from sslbench.convert import to_plain
from sslbench.pipeline.stages import make_run
from sslbench.progress import StudyCounts
from sslbench.report.console.study_progress import StudyProgress
from sslbench.results.store import Store
from sslbench.stages.graph import Run, distinct_stages
from sslbench.stages.space import require_space_for
from sslbench.stages.stage import clear_failure, is_finished, load_failure
from sslbench.study.definition import Study
from sslbench.study.grid import Grid, Point, make_grid
from sslbench.study.rates import open_rates
from sslbench.study.status import StageCosts

PAUSE_FACTOR = 40
"""Pause between two counts as a multiple of the time that a count takes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFolder:
    """Folder `OUT/studies/NAME-SCALE`: the points, their runs, and the workers' progress."""

    path: Path

    @property
    def store(self) -> Store:
        """Return the store of the runs' stages and records."""
        return Store(root=self.path.parent.parent)

    @property
    def workers(self) -> Path:
        """Return the folder of the workers' progress files."""
        return self.path / "workers"

    def write(self, study: Study, points: Sequence[Point], grid: Grid, machine: Machine) -> None:
        """Write the points and rows; rows of earlier versions stay listed as earlier ones."""
        rows = [{"run": row.name, "points": [dict(labels) for labels in row.points]} for row in grid.rows]
        earlier = [row for row in self._read().get("rows", []) if row["run"] not in {r["run"] for r in rows}]
        content = {
            "study": to_plain(study),
            "machine": asdict(machine),
            "points": [{"labels": to_plain(point.labels), "tree": to_plain(point.tree)} for point in points],
            "rows": to_plain(rows),
            "earlier": [*self._read().get("earlier", []), *earlier],
        }
        write_atomically(self.path / "study.json", json.dumps(content, indent=1).encode())

    def grid(self, catalog: Catalog, log: Callable[[str], None]) -> Grid:
        """Plan the stored points again."""
        content = self._read()
        points = [Point(labels=point["labels"], tree=point["tree"]) for point in content["points"]]
        return make_grid(points, catalog, DatasetCache(environment.places()), Machine(**content["machine"]), log)

    def earlier(self) -> Sequence[Mapping[str, Any]]:
        """Return runs of this study's points under earlier versions."""
        rows: Sequence[Mapping[str, Any]] = self._read().get("earlier", [])
        return rows

    def _read(self) -> dict[str, Any]:
        path = self.path / "study.json"
        content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return content


def run_study(
    folder: StudyFolder,
    grid: Grid,
    metrics: MetricTable,
    executor: Executor,
    threads: int,
    progress: StudyProgress,
    *,
    retry: bool,
) -> Sequence[Run]:
    """Let an executor's workers run all unfinished stages; raises DataMissing before anything starts."""
    if grid.missing:
        raise DataMissing("\n".join(grid.missing))
    runs = [make_run(row.plan, folder.store, metrics) for row in grid.rows]
    require_space_for(distinct_stages(runs).values())
    if retry:
        _clear_failures(runs)
    clear_worker_progress(folder.workers)
    counter = StudyCounter(runs, max(1, environment.count_cores() // threads))
    python = environment.isolated_python()
    pool = WorkerPool(
        command=(*python, "-m", "sslbench.app.worker", str(folder.path.absolute())),
        threads=threads,
        folder=folder.workers.absolute(),
        variables={"OMP_NUM_THREADS": str(threads), **environment.ISOLATION},
        python=python,
    )

    def poll() -> bool:
        counts = counter.count()
        progress.show(counts, read_worker_progress(folder.workers))
        return counts.runs_left > 0

    with progress:
        if poll():
            executor.run(pool, poll, progress.log)
    rates = open_rates()
    rates.learn(distinct_stages(runs).values())
    rates.save()
    return runs


def _clear_failures(runs: Sequence[Run]) -> None:
    """Clear failures, so that the stages are made again."""
    for run in runs:
        failed = [stage for stage in run.stages if load_failure(stage.folder) is not None]
        for stage in failed:
            clear_failure(stage.folder)
        if failed:
            run.record.unlink(missing_ok=True)


class StudyCounter:
    """Count finished runs and stages and estimate the time left.

    Finished stages are not checked again, and stages that depend on a failed one are not counted as left. The time left is
    the cost of the remaining stages, by finished stages of the same shape, at the pace of all workers so far; before any is
    finished it uses this machine's stored rates. It never increases. Counting thousands of stages takes about 0.1 s of a
    core that workers need, so the next count waits 40 times as long.
    """

    def __init__(self, runs: Sequence[Run], workers: int = 1) -> None:
        self._runs = {run.record for run in runs}
        self._total_runs = len(runs)
        self._stages = distinct_stages(runs)
        self._total_stages = len(self._stages)
        self._began = environment.stopwatch()
        self._costs, self._worked = StageCosts(), 0.0
        self._rates, self._workers, self._least = open_rates(), workers, math.inf
        self._failed: set[Path] = set()
        self._last: StudyCounts | None = None
        self._next = 0.0

    def count(self) -> StudyCounts:
        """Return the counts of runs and stages, which may be some seconds old."""
        began = environment.stopwatch()
        if self._last is None or began >= self._next:
            self._last = self._count_now()
            now = environment.stopwatch()
            self._next = now + PAUSE_FACTOR * (now - began)
        return self._last

    def _count_now(self) -> StudyCounts:
        self._runs = {path for path in self._runs if not path.exists()}
        remaining = {}
        for path, stage in self._stages.items():
            if is_finished(path):
                seconds = self._costs.learn(stage)
                self._worked += seconds if self._last else 0.0
                continue
            if load_failure(path) is not None or self._failed & set(stage.waits_for):
                self._failed.add(path)
            else:
                remaining[path] = stage
        self._stages = remaining
        work = self._costs.estimate(remaining.values())
        pace = self._worked / max(environment.stopwatch() - self._began, 1e-9)
        if work is not None and pace:
            self._least = min(self._least, work / pace)
        elif (seconds_by_rate := [self._rates.estimate(s) for s in remaining.values()]) and None not in seconds_by_rate:
            self._least = min(self._least, sum(filter(None, seconds_by_rate)) / self._workers)
        return StudyCounts(
            runs=self._total_runs, runs_left=len(self._runs), stages=self._total_stages, stages_left=len(remaining),
            seconds_left=self._least if math.isfinite(self._least) else None,
        )  # fmt: skip
