"""A study's folder, on which whoever runs it, its workers and its reports agree; and how it is run."""

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
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine
from sslbench.convert import plain
from sslbench.pipeline.stages import run_of
from sslbench.progress import StudyCounts
from sslbench.report.console.study_progress import StudyProgress
from sslbench.results.store import Store
from sslbench.stages.graph import Run, distinct
from sslbench.stages.space import require_space_for
from sslbench.stages.stage import failure_of, finished, forgive
from sslbench.study.definition import Study
from sslbench.study.grid import Grid, Point, make_grid
from sslbench.study.rates import open_rates
from sslbench.study.status import Costs

PAUSE_FACTOR = 40
"""How many times as long as it took to look, until the next look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFolder:
    """`OUT/studies/NAME-SCALE`: the points, the runs that answered them, and what workers say."""

    path: Path

    @property
    def store(self) -> Store:
        """Where the stages and records of its runs lie."""
        return Store(root=self.path.parent.parent)

    @property
    def workers(self) -> Path:
        """Where workers post what they are doing."""
        return self.path / "workers"

    def write(self, study: Study, points: Sequence[Point], grid: Grid, machine: Machine) -> None:
        """Write the points and the rows; rows of earlier versions stay listed as such."""
        rows = [{"run": row.name, "points": [dict(labels) for labels in row.points]} for row in grid.rows]
        earlier = [row for row in self._read().get("rows", []) if row["run"] not in {r["run"] for r in rows}]
        content = {
            "study": plain(study),
            "machine": asdict(machine),
            "points": [{"labels": plain(point.labels), "tree": plain(point.tree)} for point in points],
            "rows": plain(rows),
            "earlier": [*self._read().get("earlier", []), *earlier],
        }
        write_atomically(self.path / "study.json", json.dumps(content, indent=1).encode())

    def grid(self, catalog: Catalog, say: Callable[[str], None]) -> Grid:
        """Plan again what was planned."""
        content = self._read()
        points = [Point(labels=point["labels"], tree=point["tree"]) for point in content["points"]]
        return make_grid(points, catalog, DatasetCache(environment.places()), Machine(**content["machine"]), say)

    def earlier(self) -> Sequence[Mapping[str, Any]]:
        """Runs that answered points of this study under other versions."""
        found: Sequence[Mapping[str, Any]] = self._read().get("earlier", [])
        return found

    def _read(self) -> dict[str, Any]:
        path = self.path / "study.json"
        content: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        return content


def run_study(
    folder: StudyFolder, grid: Grid, executor: Executor, threads: int, board: StudyProgress, *, retry: bool
) -> Sequence[Run]:
    """Let an executor's workers do everything that is not done; raises DataMissing before anything starts."""
    if grid.missing:
        raise DataMissing("\n".join(grid.missing))
    runs = [run_of(row.plan, folder.store) for row in grid.rows]
    require_space_for(distinct(runs).values())
    if retry:
        _clear_failures(runs)
    clear_worker_progress(folder.workers)
    tally = StudyCounter(runs, max(1, environment.cores() // threads))
    python = environment.isolated_python()
    pool = WorkerPool(
        command=(*python, "-m", "sslbench.app.worker", str(folder.path.absolute())),
        threads=threads,
        folder=folder.workers.absolute(),
        variables={"OMP_NUM_THREADS": str(threads), **environment.APART},
        python=python,
    )

    def poll() -> bool:
        counted = tally.count()
        board.show(counted, read_worker_progress(folder.workers))
        return counted.runs_left > 0

    with board:
        if poll():
            executor.run(pool, poll, board.say)
    rates = open_rates()
    rates.learn(distinct(runs).values())
    rates.keep()
    return runs


def _clear_failures(runs: Sequence[Run]) -> None:
    """Let what failed be tried again."""
    for run in runs:
        failed = [stage for stage in run.stages if failure_of(stage.folder) is not None]
        for stage in failed:
            forgive(stage.folder)
        if failed:
            run.record.unlink(missing_ok=True)


class StudyCounter:
    """Counts what is settled, cheaply: what was done once is not looked at again. What needs a failed stage never comes.

    Time left is what the stages that are left cost by those of their shape, at the pace of all workers so far; until some
    are made it is what this machine knows of them. It never grows. Of thousands of stages a look takes a tenth of a second
    of a core that workers need: the next one waits 40 times as long.
    """

    def __init__(self, runs: Sequence[Run], workers: int = 1) -> None:
        self._runs = {run.record for run in runs}
        self._of_runs = len(runs)
        self._stages = distinct(runs)
        self._of_stages = len(self._stages)
        self._began = environment.stopwatch()
        self._costs, self._worked = Costs(), 0.0
        self._rates, self._workers, self._least = open_rates(), workers, math.inf
        self._failed: set[Path] = set()
        self._last: StudyCounts | None = None
        self._next = 0.0

    def count(self) -> StudyCounts:
        """How many runs and stages are done, or were a moment ago."""
        began = environment.stopwatch()
        if self._last is None or began >= self._next:
            self._last = self._look()
            now = environment.stopwatch()
            self._next = now + PAUSE_FACTOR * (now - began)
        return self._last

    def _look(self) -> StudyCounts:
        self._runs = {path for path in self._runs if not path.exists()}
        left_over = {}
        for path, stage in self._stages.items():
            if finished(path):
                seconds = self._costs.learn(stage)
                self._worked += seconds if self._last else 0.0
                continue
            if failure_of(path) is not None or self._failed & set(stage.needs):
                self._failed.add(path)
            else:
                left_over[path] = stage
        self._stages = left_over
        work = self._costs.of(left_over.values())
        pace = self._worked / max(environment.stopwatch() - self._began, 1e-9)
        if work is not None and pace:
            self._least = min(self._least, work / pace)
        elif (guessed := [self._rates.seconds(stage) for stage in left_over.values()]) and None not in guessed:
            self._least = min(self._least, sum(filter(None, guessed)) / self._workers)
        return StudyCounts(
            runs=self._of_runs, runs_left=len(self._runs), stages=self._of_stages, stages_left=len(left_over),
            seconds_left=self._least if math.isfinite(self._least) else None,
        )  # fmt: skip
