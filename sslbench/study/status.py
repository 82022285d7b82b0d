"""Find the state of every run of a study: done, running, waiting, failed or stale. Changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sslbench.stages.graph import Run, Stage, distinct_stages
from sslbench.stages.lease import Leases, find_holder
from sslbench.stages.stage import is_finished, load_cost, load_failure

State = Literal["done", "running", "waiting", "failed", "stale"]
ORDER: tuple[State, ...] = ("done", "running", "waiting", "failed", "stale")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """The state of a run, its number of finished stages, and why it failed."""

    run: str
    state: State
    done: int
    total: int
    reason: str = ""


def find_status(run: Run, leases: Leases, earlier: Sequence[str]) -> RunStatus:
    """Find the state of a run; stale means that only a run of other versions has its points."""
    done = sum(is_finished(stage.folder) for stage in run.stages)
    failures = [found for stage in run.stages if (found := load_failure(stage.folder)) is not None]
    reason = f"{failures[0].stage}: {failures[0].reason}" if failures else ""
    is_running = any(find_holder(stage.folder, leases) for stage in run.stages if not is_finished(stage.folder))
    state: State = "waiting"
    if failures:
        state = "failed"
    elif run.record.exists():
        state = "done"
    elif is_running:
        state = "running"
    elif earlier:
        state = "stale"
    return RunStatus(run=run.name, state=state, done=done, total=len(run.stages), reason=reason)


def earlier_runs(listed: Sequence[Mapping[str, Any]], points: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the runs of other versions that have one of these points."""
    wanted = [dict(point) for point in points]
    return [row["run"] for row in listed if any(point in wanted for point in row["points"])]


class StageCosts:
    """Seconds per row of finished stages, by shape and by kind."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._rows: dict[str, int] = defaultdict(int)

    def learn(self, stage: Stage) -> float:
        """Add a finished stage and return its seconds."""
        seconds: float = load_cost(stage.folder)["seconds"]
        for name in (stage.shape, stage.kind):
            self._seconds[name] += seconds
            self._rows[name] += max(stage.rows, 1)
        return seconds

    def estimate(self, stages: Iterable[Stage]) -> float | None:
        """Estimate the seconds of stages in sequence; None if the cost of one is not known."""
        total = 0.0
        for stage in stages:
            name = stage.shape if self._rows[stage.shape] else stage.kind
            if not self._rows[name]:
                return None
            total += self._seconds[name] / self._rows[name] * max(stage.rows, 1)
        return total


def seconds_left(runs: Sequence[Run]) -> float | None:
    """Estimate the seconds of all unfinished stages in sequence; None if a cost is not known."""
    costs, left = StageCosts(), []
    for path, stage in distinct_stages(runs).items():
        if is_finished(path):
            costs.learn(stage)
        elif load_failure(path) is None:
            left.append(stage)
    return costs.estimate(left)
