"""Progress while a run runs: one live bar on a terminal, plain lines elsewhere. Prints; computes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from sslbench import environment
from sslbench.train.moment import Moment

PLAIN_SECONDS = 10.0


class Line(Protocol):
    """One stage's progress."""

    def tick(self, done: int, total: int) -> None: ...

    def moment(self, moment: Moment) -> None: ...

    def named(self, name: str, moment: Moment) -> None: ...


class Display(Protocol):
    """Where progress goes."""

    def stage(self, name: str) -> AbstractContextManager[Line]: ...

    def say(self, text: str) -> None: ...

    def warn(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """What a worker is doing: a stage, how much of it is done, and for how many seconds."""

    worker: str
    title: str
    done: int
    total: int
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How far a study is."""

    runs: int
    runs_left: int
    stages: int
    stages_left: int
    seconds_left: float | None


def describe(moment: Moment) -> str:
    """What is known of a training step, in words."""
    speed = f"{moment.samples_per_second:,.0f} samples/s"
    return f"epoch {moment.epoch}/{moment.epochs} loss {moment.loss:.4g} {speed}"


class _Silent:
    def tick(self, done: int, total: int) -> None:
        """Show nothing."""

    def moment(self, moment: Moment) -> None:
        """Show nothing."""

    def named(self, name: str, moment: Moment) -> None:
        """Show nothing."""


class Quiet:
    """No display: what Python callers get."""

    @contextmanager
    def stage(self, name: str) -> Iterator[Line]:
        """Show nothing."""
        yield _Silent()

    def say(self, text: str) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Show nothing."""


def print_warning(console: Console, text: str) -> None:
    """Print a line in yellow, as it is."""
    console.print(text, style="yellow", highlight=False, markup=False, soft_wrap=True)


class _Bar(_Silent):
    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress, self._task = progress, task

    def tick(self, done: int, total: int) -> None:
        self._progress.update(self._task, completed=done, total=total)

    def moment(self, moment: Moment) -> None:
        done = (moment.epoch - 1) * moment.of + moment.step
        self._progress.update(self._task, completed=done, total=moment.epochs * moment.of, detail=describe(moment))

    def named(self, name: str, moment: Moment) -> None:
        self.moment(moment)


class Bars:
    """One live bar per running stage; finished stages leave no trace."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[detail]}"))
        self._progress = Progress(*columns, TimeRemainingColumn(), console=console, transient=True)

    @contextmanager
    def stage(self, name: str) -> Iterator[Line]:
        """Show a bar while the stage runs."""
        with self._progress:
            task = self._progress.add_task(name, total=None, detail="")
            try:
                yield _Bar(self._progress, task)
            finally:
                self._progress.remove_task(task)

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(text, highlight=False, markup=False)

    def warn(self, text: str) -> None:
        """Print a warning above the bars."""
        print_warning(self._console, text)


class _Lines(_Silent):
    def __init__(self, console: Console, name: str) -> None:
        self._console, self._name = console, name
        self._began = self._last = environment.stopwatch()

    def _say(self, detail: str, done: int, total: int) -> None:
        now = environment.stopwatch()
        if now - self._last < PLAIN_SECONDS:
            return
        self._last = now
        left = (now - self._began) * (total - done) / max(done, 1)
        self._console.print(
            f"{self._name}: {detail}, {left:,.0f} s left", highlight=False, markup=False, soft_wrap=True
        )

    def tick(self, done: int, total: int) -> None:
        self._say(f"{done:,}/{total:,}", done, total)

    def moment(self, moment: Moment) -> None:
        done = (moment.epoch - 1) * moment.of + moment.step
        self._say(describe(moment), done, moment.epochs * moment.of)

    def named(self, name: str, moment: Moment) -> None:
        self.moment(moment)


class Lines:
    """Plain lines: a stage's end, and at most one line every ten seconds while it runs."""

    def __init__(self, console: Console) -> None:
        self._console = console

    @contextmanager
    def stage(self, name: str) -> Iterator[Line]:
        """Print how long the stage took, if it took any time worth a line."""
        began = environment.stopwatch()
        yield _Lines(self._console, name)
        seconds = environment.stopwatch() - began
        if seconds > 1:
            self.say(f"{name}: done in {seconds:,.1f} s")

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print a warning."""
        print_warning(self._console, text)


def display_for(console: Console) -> Display:
    """Bars on a terminal, lines elsewhere; nothing from any but the first of several processes."""
    if environment.rank():
        return Quiet()
    return Bars(console) if console.is_terminal else Lines(console)
