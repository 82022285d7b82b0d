"""Make the stages of runs in one process; any number of such workers can share the runs.

Workers coordinate only through leases and finished folders.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sslbench.api.values import Event
from sslbench.catalog.events import EventBus
from sslbench.progress import Display, StageProgress, TrainingStep
from sslbench.stages.graph import Run, Stage, distinct_stages, first_runs
from sslbench.stages.lease import Leases
from sslbench.stages.stage import POLL_SECONDS, State, is_finished, load_failure, try_make_stage


def work(
    runs: Sequence[Run],
    leases: Leases,
    display: Display,
    events: EventBus,
    *,
    rewrite_records: bool = False,
    assists: bool = False,
) -> None:
    """Make all stages of all runs, and write the record of each run when its last stage is finished or failed.

    rewrite_records: write records again that exist.
    assists: make stages only; another worker writes the records and emits the events.
    """
    _Worker(
        runs=list(runs), leases=leases, display=display, events=events, rewrite_records=rewrite_records, assists=assists
    ).work()


@dataclass(slots=True, kw_only=True)
class _Worker:
    runs: list[Run]
    leases: Leases
    display: Display
    events: EventBus
    rewrite_records: bool
    assists: bool
    settled: dict[Path, State] = field(default_factory=dict)
    first_runs: dict[Path, str] = field(init=False)
    started: set[str] = field(default_factory=set)

    def work(self) -> None:
        self.first_runs = first_runs(self.runs)
        for run in () if self.assists else self.runs:
            self.events.emit(Event(kind="planned", run=run.name, values={"stages": len(run.stages)}))
        waiting = list(distinct_stages(self.runs).values())
        self._write_records()
        while waiting:
            has_progress = any(self._try_stage(stage) for stage in waiting)
            waiting = [stage for stage in waiting if stage.folder not in self.settled]
            if has_progress:
                self._write_records()
            elif waiting:
                time.sleep(POLL_SECONDS)

    def _try_stage(self, stage: Stage) -> bool:
        """Make a stage if its inputs are finished; return whether it is now finished or failed."""
        if not all(need in self.settled for need in stage.waits_for):
            return False
        if any(self.settled[need] == "failed" for need in stage.waits_for):
            self.settled[stage.folder] = "failed"
            return True
        if not is_finished(stage.folder) and load_failure(stage.folder) is None:
            if (state := self._make(stage)) == "busy":
                return False
        else:
            state = "done" if is_finished(stage.folder) else "failed"
        self.settled[stage.folder] = state
        return True

    def _make(self, stage: Stage) -> State:
        run = self.first_runs[stage.folder]

        def make(folder: Path) -> None:
            if run not in self.started and not self.assists:
                self.started.add(run)
                self.events.emit(Event(kind="started", run=run))
            with self.display.stage(stage.title) as progress:
                stage.make(folder, EventForwarder(progress, self.events, run, stage.kind))

        state = try_make_stage(stage.folder, stage.title, make, self.leases, self.display.log)
        if state == "done":
            self.events.emit(Event(kind="stage", run=run, stage=f"{stage.kind}/{stage.key}"))
        return state

    def _write_records(self) -> None:
        """Write the record of every run whose stages are all finished or failed."""
        if self.assists:
            return
        for run in [r for r in self.runs if all(stage.folder in self.settled for stage in r.stages)]:
            self.runs.remove(run)
            with self.leases.claim(run.record) as claim:
                if claim is not None and (self.rewrite_records or not run.record.exists()):
                    run.finish()
            failures = [found for stage in run.stages if (found := load_failure(stage.folder)) is not None]
            values = {"status": failures[0].status, "reason": failures[0].reason} if failures else {"status": "done"}
            broken = bool(failures) and failures[0].status == "failed"
            self.events.emit(Event(kind="failed" if broken else "finished", run=run.name, values=values))


class EventForwarder:
    """Progress of a stage that also emits an event for every step."""

    def __init__(self, progress: StageProgress, events: EventBus, run: str, stage: str) -> None:
        self._progress, self._events, self._run, self._stage = progress, events, run, stage

    def report_count(self, done: int, total: int) -> None:
        self._progress.report_count(done, total)

    def report_step(self, step: TrainingStep) -> None:
        self._progress.report_step(step)
        values = {"epoch": step.epoch, "step": step.step, "loss": step.loss}
        self._events.emit(Event(kind="step", run=self._run, stage=self._stage, values=values))

    def report_named_step(self, name: str, step: TrainingStep) -> None:
        self._progress.report_named_step(name, step)
