"""A worker: makes whatever is ready and free, until nothing is left. Any number of them share a set of runs.

Workers agree through leases and finished folders alone; none of them leads.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sslbench.api.values import Event
from sslbench.catalog.events import EventBus
from sslbench.progress import Display, StageProgress, TrainingStep
from sslbench.stages.graph import Run, Stage, distinct, wanted_by
from sslbench.stages.lease import Leases
from sslbench.stages.stage import POLL, State, attempt, failure_of, finished


def work(
    runs: Sequence[Run], leases: Leases, show: Display, herald: EventBus, *, again: bool = False, assists: bool = False
) -> None:
    """Make every stage of every run, and close each run as soon as its last stage is settled.

    A run that has a record is closed; with `again` its record is written anew all the same. A worker that `assists` another
    makes stages only: the other closes the runs and reports them.
    """
    _Worker(runs=list(runs), leases=leases, show=show, herald=herald, again=again, assists=assists).work()


@dataclass(slots=True, kw_only=True)
class _Worker:
    runs: list[Run]
    leases: Leases
    show: Display
    herald: EventBus
    again: bool
    assists: bool
    settled: dict[Path, State] = field(default_factory=dict)
    first: dict[Path, str] = field(init=False)
    begun: set[str] = field(default_factory=set)

    def work(self) -> None:
        self.first = wanted_by(self.runs)
        for run in () if self.assists else self.runs:
            self.herald.tell(Event(kind="planned", run=run.name, values={"stages": len(run.stages)}))
        waiting = list(distinct(self.runs).values())
        self._close()
        while waiting:
            moved = next((True for stage in waiting if self._try(stage)), False)
            waiting = [stage for stage in waiting if stage.folder not in self.settled]
            if moved:
                self._close()
            elif waiting:
                time.sleep(POLL)

    def _try(self, stage: Stage) -> bool:
        """Settle a stage if it can be settled now."""
        if not all(need in self.settled for need in stage.needs):
            return False
        if any(self.settled[need] == "failed" for need in stage.needs):
            self.settled[stage.folder] = "failed"
            return True
        if not finished(stage.folder) and failure_of(stage.folder) is None:
            if (state := self._make(stage)) == "busy":
                return False
        else:
            state = "done" if finished(stage.folder) else "failed"
        self.settled[stage.folder] = state
        return True

    def _make(self, stage: Stage) -> State:
        run = self.first[stage.folder]

        def make(folder: Path) -> None:
            if run not in self.begun and not self.assists:
                self.begun.add(run)
                self.herald.tell(Event(kind="started", run=run))
            with self.show.stage(stage.title) as line:
                stage.make(folder, EventForwarder(line, self.herald, run, stage.kind))

        state = attempt(stage.folder, stage.title, make, self.leases, self.show.say)
        if state == "done":
            self.herald.tell(Event(kind="stage", run=run, stage=f"{stage.kind}/{stage.key}"))
        return state

    def _close(self) -> None:
        """Write the record of every run that has nothing left to wait for."""
        if self.assists:
            return
        for run in [r for r in self.runs if all(stage.folder in self.settled for stage in r.stages)]:
            self.runs.remove(run)
            with self.leases.claim(run.record) as claim:
                if claim is not None and (self.again or not run.record.exists()):
                    run.close()
            failures = [found for stage in run.stages if (found := failure_of(stage.folder)) is not None]
            values = {"status": failures[0].status, "reason": failures[0].reason} if failures else {"status": "done"}
            broken = bool(failures) and failures[0].status == "failed"
            self.herald.tell(Event(kind="failed" if broken else "finished", run=run.name, values=values))


class EventForwarder:
    """A line of the display that tells the listeners of every step as well."""

    def __init__(self, line: StageProgress, herald: EventBus, run: str, stage: str) -> None:
        self._line, self._herald, self._run, self._stage = line, herald, run, stage

    def tick(self, done: int, total: int) -> None:
        self._line.tick(done, total)

    def moment(self, moment: TrainingStep) -> None:
        self._line.moment(moment)
        values = {"epoch": moment.epoch, "step": moment.step, "loss": moment.loss}
        self._herald.tell(Event(kind="step", run=self._run, stage=self._stage, values=values))

    def named(self, name: str, moment: TrainingStep) -> None:
        self._line.named(name, moment)
