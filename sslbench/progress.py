"""Measure the progress of stages and runs, and estimate the remaining time. Prints nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from sslbench import environment

TRUSTED_SECONDS, TRUSTED_SHARE = 20.0, 0.05
"""Work after which the measured pace corrects the estimate: seconds, or a fraction of the total."""
NOUNS = {"prepare": "preparation", "pretrain": "training", "extract": "feature table", "evaluate": "evaluation"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStep:
    """State of a training after a step."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    samples_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectedStage:
    """A stage that will be made, with an estimate of its seconds; `is_made` returns whether a worker has made it."""

    title: str
    kind: str
    seconds: float
    is_made: Callable[[], bool] = lambda: False


class RunProgress:
    """Progress of all stages of a run; its estimate of the remaining time never grows."""

    def __init__(self, stages: Sequence[ExpectedStage], workers: int = 1) -> None:
        self.total = sum(stage.seconds for stage in stages)
        self._waiting = list(stages)
        self._stage_counts: dict[str, int] = defaultdict(int)
        for stage in stages:
            self._stage_counts[stage.kind] += 1
        self._started: dict[str, int] = defaultdict(int)
        self._current: ExpectedStage | None = None
        self._share = 0.0
        self._done = 0.0
        self._began = environment.stopwatch()
        self._workers = workers
        self._seconds_left = self.total / workers

    @property
    def done(self) -> float:
        """Return the estimated seconds of the work that is done."""
        return self._done + (self._current.seconds * self._share if self._current else 0.0)

    def begin(self, title: str) -> None:
        """Start a stage."""
        self._current = next((stage for stage in self._waiting if stage.title == title), None)
        self._share = 0.0
        for stage in [stage for stage in self._waiting if stage.is_made() and stage is not self._current]:
            self._waiting.remove(stage)
            self._started[stage.kind] += 1
            self._done += stage.seconds
        if self._current:
            self._waiting.remove(self._current)
            self._started[self._current.kind] += 1

    def advance(self, done: int, total: int) -> None:
        """Set how much of the current stage is done."""
        self._share = min(1.0, done / total) if total else 0.0

    def end(self) -> None:
        """End the current stage."""
        self._done += self._current.seconds if self._current else 0.0
        self._current, self._share = None, 0.0

    def seconds_left(self) -> float:
        """Return the estimated remaining seconds, corrected by the measured pace; never more than the last estimate."""
        done, elapsed = self.done, environment.stopwatch() - self._began
        is_measured = done > min(TRUSTED_SECONDS, TRUSTED_SHARE * self.total)
        left = (self.total - done) * (elapsed / done if is_measured and done else 1 / self._workers)
        self._seconds_left = max(0.0, min(self._seconds_left, left))
        return self._seconds_left

    def describe(self) -> str:
        """Return a text: the number of the stage among those of its kind, and the remaining time of the run."""
        left = f"{format_duration(self.seconds_left())} left in total"
        if self._current is None:
            return left
        kind = self._current.kind
        return f"{NOUNS[kind]} {self._started[kind]} of {self._stage_counts[kind]}, {left}"


class StageProgress(Protocol):
    """Receiver of the progress of one stage."""

    def report_count(self, done: int, total: int) -> None: ...

    def report_step(self, step: TrainingStep) -> None: ...

    def report_named_step(self, name: str, step: TrainingStep) -> None: ...


class Display(Protocol):
    """Receiver of the progress of a run."""

    def expect(self, progress: RunProgress) -> None: ...

    def stage(self, name: str) -> AbstractContextManager[StageProgress]: ...

    def log(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerProgress:
    """Progress of a worker: its stage, how much of it is done, and for how many seconds it has run."""

    worker: str
    title: str
    done: int
    total: int
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyCounts:
    """Progress of a study."""

    runs: int
    runs_left: int
    stages: int
    stages_left: int
    seconds_left: float | None


def describe_step(step: TrainingStep) -> str:
    """Return a text on a training step: epoch, loss and speed."""
    speed = f"{step.samples_per_second:,.0f} samples/s"
    return f"epoch {step.epoch}/{step.epochs} loss {step.loss:.4g} {speed}"


class NoProgress:
    """Progress of a stage that is not shown."""

    def report_count(self, done: int, total: int) -> None:
        """Show nothing."""

    def report_step(self, step: TrainingStep) -> None:
        """Show nothing."""

    def report_named_step(self, name: str, step: TrainingStep) -> None:
        """Show nothing."""


class NoDisplay:
    """Display that shows nothing, the default for Python callers."""

    def expect(self, progress: RunProgress) -> None:
        """Ignore the progress."""

    @contextmanager
    def stage(self, name: str) -> Iterator[StageProgress]:
        """Show nothing."""
        yield NoProgress()

    def log(self, text: str) -> None:
        """Print nothing."""

    def warn(self, text: str) -> None:
        """Show nothing."""


def format_duration(seconds: float) -> str:
    """Return seconds as text with a unit, such as '2.5 min'."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}" if seconds >= 10 * size else f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
