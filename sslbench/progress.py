"""Progress: what stages report, how much of a run is done, and about how long the rest takes. Prints nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from sslbench import environment

TRUSTED_SECONDS, TRUSTED_SHARE = 20.0, 0.05
"""Work that must be done before its pace corrects the estimate: seconds, or a share of the whole."""
NOUNS = {"prepare": "preparation", "pretrain": "training", "extract": "feature table", "evaluate": "evaluation"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingStep:
    """What a watcher sees after each step."""

    epoch: int
    epochs: int
    step: int
    steps: int
    loss: float
    samples_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One stage that will be made, and about how many seconds it takes; another worker may make it as well."""

    title: str
    kind: str
    seconds: float
    is_made: Callable[[], bool] = lambda: False


class RunProgress:
    """All stages that a run makes. The time left that it tells never grows, whatever the estimates were."""

    def __init__(self, stages: Sequence[Expected], workers: int = 1) -> None:
        self.total = sum(stage.seconds for stage in stages)
        self._waiting = list(stages)
        self._of: dict[str, int] = defaultdict(int)
        for stage in stages:
            self._of[stage.kind] += 1
        self._begun: dict[str, int] = defaultdict(int)
        self._current: Expected | None = None
        self._share = 0.0
        self._done = 0.0
        self._began = environment.stopwatch()
        self._workers = workers
        self._least = self.total / workers

    @property
    def done(self) -> float:
        """Seconds of the estimate that are done."""
        return self._done + (self._current.seconds * self._share if self._current else 0.0)

    def begin(self, title: str) -> None:
        """Begin a stage."""
        self._current = next((stage for stage in self._waiting if stage.title == title), None)
        self._share = 0.0
        for stage in [stage for stage in self._waiting if stage.is_made() and stage is not self._current]:
            self._waiting.remove(stage)
            self._begun[stage.kind] += 1
            self._done += stage.seconds
        if self._current:
            self._waiting.remove(self._current)
            self._begun[self._current.kind] += 1

    def advance(self, done: int, total: int) -> None:
        """Note how far the stage is."""
        self._share = min(1.0, done / total) if total else 0.0

    def end(self) -> None:
        """End the stage."""
        self._done += self._current.seconds if self._current else 0.0
        self._current, self._share = None, 0.0

    def seconds_left(self) -> float:
        """About how long the rest takes: by the estimate, corrected by the pace so far; never more than was told before."""
        done, elapsed = self.done, environment.stopwatch() - self._began
        trusted = done > min(TRUSTED_SECONDS, TRUSTED_SHARE * self.total)
        left = (self.total - done) * (elapsed / done if trusted and done else 1 / self._workers)
        self._least = max(0.0, min(self._least, left))
        return self._least

    def describe(self) -> str:
        """Say which stage of its kind this is, and the time left of the whole."""
        left = f"{duration(self.seconds_left())} left of the whole"
        if self._current is None:
            return left
        kind = self._current.kind
        return f"{NOUNS[kind]} {self._begun[kind]} of {self._of[kind]}, {left}"


class StageProgress(Protocol):
    """One stage's progress."""

    def tick(self, done: int, total: int) -> None: ...

    def moment(self, moment: TrainingStep) -> None: ...

    def named(self, name: str, moment: TrainingStep) -> None: ...


class Display(Protocol):
    """Where progress goes."""

    def expect(self, whole: RunProgress) -> None: ...

    def stage(self, name: str) -> AbstractContextManager[StageProgress]: ...

    def say(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerProgress:
    """What a worker is doing: a stage, how much of it is done, and for how many seconds."""

    worker: str
    title: str
    done: int
    total: int
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyCounts:
    """How far a study is."""

    runs: int
    runs_left: int
    stages: int
    stages_left: int
    seconds_left: float | None


def describe(moment: TrainingStep) -> str:
    """What is known of a training step, in words."""
    speed = f"{moment.samples_per_second:,.0f} samples/s"
    return f"epoch {moment.epoch}/{moment.epochs} loss {moment.loss:.4g} {speed}"


class NoProgress:
    """A stage whose progress is not shown."""

    def tick(self, done: int, total: int) -> None:
        """Show nothing."""

    def moment(self, moment: TrainingStep) -> None:
        """Show nothing."""

    def named(self, name: str, moment: TrainingStep) -> None:
        """Show nothing."""


class NoDisplay:
    """No display: what Python callers get."""

    def expect(self, whole: RunProgress) -> None:
        """Count nothing."""

    @contextmanager
    def stage(self, name: str) -> Iterator[StageProgress]:
        """Show nothing."""
        yield NoProgress()

    def say(self, text: str) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Show nothing."""


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}" if seconds >= 10 * size else f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"
