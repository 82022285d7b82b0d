"""Show the progress of a run, as live bars on a terminal or as plain lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from sslbench import environment
from sslbench.progress import Display, NoDisplay, NoProgress, RunProgress, StageProgress, TrainingStep, describe_step

PLAIN_SECONDS = 10.0


def print_warning(console: Console, text: str) -> None:
    """Print a line in yellow without markup."""
    console.print(text, style="yellow", highlight=False, markup=False, soft_wrap=True)


class _Receiver(NoProgress):
    """Shows the progress of a stage as a text and the part that is done."""

    def __init__(self, show: Callable[[str, int, int], None]) -> None:
        self._show = show

    def report_count(self, done: int, total: int) -> None:
        self._show("", done, total)

    def report_step(self, moment: TrainingStep) -> None:
        done = (moment.epoch - 1) * moment.steps + moment.step
        self._show(describe_step(moment), done, moment.epochs * moment.steps)

    def report_named_step(self, name: str, moment: TrainingStep) -> None:
        self.report_step(moment)


class StageBars:
    """A live bar per running stage, and one for the run; bars of finished stages are removed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[detail]}"))
        self._progress = Progress(*columns, console=console, transient=True)
        self._run: RunProgress | None = None
        self._all: TaskID | None = None

    def expect(self, run: RunProgress) -> None:
        """Show a bar for the run above those of its stages."""
        self._run = run
        self._all = self._progress.add_task("run", total=max(run.total, 1e-9), detail="")

    def move(self, task: TaskID, detail: str, done: int, total: int) -> None:
        """Update the bar of a stage and that of the run."""
        self._progress.update(task, completed=done, total=total, detail=detail)
        if self._run is not None and self._all is not None:
            self._run.advance(done, total)
            self._progress.update(self._all, completed=self._run.done, detail=self._run.describe())

    @contextmanager
    def stage(self, name: str) -> Iterator[StageProgress]:
        """Show a bar while the stage runs."""
        with self._progress, _count_stage(self._run, name):
            task = self._progress.add_task(name, total=None, detail="")
            try:
                yield _Receiver(partial(self.move, task))
            finally:
                self._progress.remove_task(task)

    def log(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(text, highlight=False, markup=False)

    def warn(self, text: str) -> None:
        """Print a warning above the bars."""
        print_warning(self._console, text)


@contextmanager
def _count_stage(run: RunProgress | None, name: str) -> Iterator[None]:
    """Count a stage toward the progress of the run, if there is one."""
    if run is not None:
        run.begin(name)
    yield
    if run is not None:
        run.end()


class PlainLog:
    """Plain lines: one at the end of a stage, and at most one every ten seconds while it runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._run: RunProgress | None = None
        self._last = environment.stopwatch()

    def expect(self, run: RunProgress) -> None:
        """Append the remaining time of the run to every line."""
        self._run = run

    def show(self, name: str, began: float, detail: str, done: int, total: int) -> None:
        """Print the progress of a stage and of the run, at most every ten seconds."""
        if self._run is not None:
            self._run.advance(done, total)
        now = environment.stopwatch()
        if now - self._last >= PLAIN_SECONDS:
            self._last = now
            left = (now - began) * (total - done) / max(done, 1)
            self.log(f"{name}: {detail or f'{done:,}/{total:,}'}, {left:,.0f} s left{self._left()}")

    @contextmanager
    def stage(self, name: str) -> Iterator[StageProgress]:
        """Print the duration of the stage if it took more than a second."""
        began = self._last = environment.stopwatch()
        with _count_stage(self._run, name):
            yield _Receiver(partial(self.show, name, began))
            seconds = environment.stopwatch() - began
            if seconds > 1:
                if self._run is not None:
                    self._run.advance(1, 1)
                self.log(f"{name}: done in {seconds:,.1f} s{self._left()}")

    def _left(self) -> str:
        return f"; {self._run.describe()}" if self._run is not None else ""

    def log(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print a warning."""
        print_warning(self._console, text)


def display_for(console: Console) -> Display:
    """Return bars on a terminal and plain lines elsewhere; nothing for ranks other than 0."""
    if environment.process_rank():
        return NoDisplay()
    return StageBars(console) if console.is_terminal else PlainLog(console)
