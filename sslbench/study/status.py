"""Where a study stands: every row done, running, waiting, failed or stale. Looks at folders; changes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Literal

from sslbench.stages.graph import Run, distinct
from sslbench.stages.lease import Leases, holder
from sslbench.stages.stage import cost, failure_of, finished

State = Literal["done", "running", "waiting", "failed", "stale"]
ORDER: tuple[State, ...] = ("done", "running", "waiting", "failed", "stale")


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One row of a study: its state, how many of its stages are done, and why it failed."""

    run: str
    state: State
    done: int
    of: int
    reason: str = ""


def standing(run: Run, leases: Leases, earlier: Sequence[str]) -> Standing:
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
    return Standing(run=run.name, state=state, done=done, of=len(run.stages), reason=reason)


def earlier_runs(listed: Sequence[Mapping[str, Any]], points: Sequence[Mapping[str, Any]]) -> list[str]:
    """Runs of other versions that answered one of these points."""
    wanted = [dict(point) for point in points]
    return [row["run"] for row in listed if any(point in wanted for point in row["points"])]


def seconds_left(runs: Sequence[Run]) -> float | None:
    """What the stages that are not made would take one after another, by those of their shape or else kind that are.

    None where nothing is known of one of them.
    """
    by_shape: dict[str, list[float]] = defaultdict(list)
    left = []
    for path, stage in distinct(runs).items():
        if finished(path):
            for name in (stage.shape, stage.kind):
                by_shape[name].append(cost(path)["seconds"])
        elif failure_of(path) is None:
            left.append(stage)
    known = [by_shape.get(stage.shape) or by_shape.get(stage.kind) for stage in left]
    return sum(fmean(values) for values in known if values) if all(known) else None
