"""Where a study stands: every row done, running, waiting, failed or stale. Looks at folders; changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sslbench.stages.graph import Run, Stage, distinct
from sslbench.stages.lease import Leases, holder
from sslbench.stages.stage import cost, failure_of, finished

State = Literal["done", "running", "waiting", "failed", "stale"]
ORDER: tuple[State, ...] = ("done", "running", "waiting", "failed", "stale")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """One row of a study: its state, how many of its stages are done, and why it failed."""

    run: str
    state: State
    done: int
    total: int
    reason: str = ""


def find_status(run: Run, leases: Leases, earlier: Sequence[str]) -> RunStatus:
    """A run's state; stale means that only a run of other versions answered its points."""
    done = sum(finished(stage.folder) for stage in run.stages)
    failures = [found for stage in run.stages if (found := failure_of(stage.folder)) is not None]
    reason = f"{failures[0].stage}: {failures[0].reason}" if failures else ""
    busy = any(holder(stage.folder, leases) for stage in run.stages if not finished(stage.folder))
    state: State = "waiting"
    if failures:
        state = "failed"
    elif run.record.exists():
        state = "done"
    elif busy:
        state = "running"
    elif earlier:
        state = "stale"
    return RunStatus(run=run.name, state=state, done=done, total=len(run.stages), reason=reason)


def earlier_runs(listed: Sequence[Mapping[str, Any]], points: Sequence[Mapping[str, Any]]) -> list[str]:
    """Runs of other versions that answered one of these points."""
    wanted = [dict(point) for point in points]
    return [row["run"] for row in listed if any(point in wanted for point in row["points"])]


class StageCosts:
    """What stages cost, learned from those that are made: seconds per row of their shape, or else of their kind."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = defaultdict(float)
        self._rows: dict[str, int] = defaultdict(int)

    def learn(self, stage: Stage) -> float:
        """Take in a stage that is made, and say what it cost."""
        seconds: float = cost(stage.folder)["seconds"]
        for name in (stage.shape, stage.kind):
            self._seconds[name] += seconds
            self._rows[name] += max(stage.rows, 1)
        return seconds

    def estimate(self, stages: Iterable[Stage]) -> float | None:
        """What stages would take one after another; None where nothing is known of one of them."""
        total = 0.0
        for stage in stages:
            name = stage.shape if self._rows[stage.shape] else stage.kind
            if not self._rows[name]:
                return None
            total += self._seconds[name] / self._rows[name] * max(stage.rows, 1)
        return total


def seconds_left(runs: Sequence[Run]) -> float | None:
    """What the stages that are not made would take one after another, by those that are; None where that is not known."""
    costs, left = StageCosts(), []
    for path, stage in distinct(runs).items():
        if finished(path):
            costs.learn(stage)
        elif failure_of(path) is None:
            left.append(stage)
    return costs.estimate(left)
