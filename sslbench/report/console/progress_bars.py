"""Progress while a run runs: one live bar on a terminal, plain lines elsewhere. Prints; computes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from sslbench import environment
from sslbench.progress import Display, NoDisplay, NoProgress, RunProgress, StageProgress, TrainingStep, describe

PLAIN_SECONDS = 10.0


def print_warning(console: Console, text: str) -> None:
    """Print a line in yellow, as it is."""
    console.print(text, style="yellow", highlight=False, markup=False, soft_wrap=True)


class _StageBar(NoProgress):
    def __init__(self, bars: StageBars, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def tick(self, done: int, total: int) -> None:
        self._bars.move(self._task, done, total, "")

    def moment(self, moment: TrainingStep) -> None:
        done = (moment.epoch - 1) * moment.steps + moment.step
        self._bars.move(self._task, done, moment.epochs * moment.steps, describe(moment))

    def named(self, name: str, moment: TrainingStep) -> None:
        self.moment(moment)


class StageBars:
    """One live bar per running stage and one for the whole; finished stages leave no trace."""

    def __init__(self, console: Console) -> None:
        self._console = console
        columns = (TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[detail]}"))
        self._progress = Progress(*columns, console=console, transient=True)
        self._whole: RunProgress | None = None
        self._all: TaskID | None = None

    def expect(self, whole: RunProgress) -> None:
        """Show a bar for the whole beside that of each stage."""
        self._whole = whole
        self._all = self._progress.add_task("whole", total=max(whole.total, 1e-9), detail="")

    def move(self, task: TaskID, done: int, total: int, detail: str) -> None:
        """Move the bar of a stage, and that of the whole."""
        self._progress.update(task, completed=done, total=total, detail=detail)
        if self._whole is not None and self._all is not None:
            self._whole.advance(done, total)
            self._progress.update(self._all, completed=self._whole.done, detail=self._whole.describe())

    @contextmanager
    def stage(self, name: str) -> Iterator[StageProgress]:
        """Show a bar while the stage runs."""
        with self._progress, _count_stage(self._whole, name):
            task = self._progress.add_task(name, total=None, detail="")
            try:
                yield _StageBar(self, task)
            finally:
                self._progress.remove_task(task)

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        self._console.print(text, highlight=False, markup=False)

    def warn(self, text: str) -> None:
        """Print a warning above the bars."""
        print_warning(self._console, text)


@contextmanager
def _count_stage(whole: RunProgress | None, name: str) -> Iterator[None]:
    """Count a stage toward the whole, where one is expected."""
    if whole is not None:
        whole.begin(name)
    yield
    if whole is not None:
        whole.end()


class _StageLog(NoProgress):
    def __init__(self, lines: PlainLog, name: str) -> None:
        self._lines, self._name = lines, name
        self._began = environment.stopwatch()

    def _say(self, detail: str, done: int, total: int) -> None:
        left = (environment.stopwatch() - self._began) * (total - done) / max(done, 1)
        self._lines.show(f"{self._name}: {detail}, {left:,.0f} s left", done, total)

    def tick(self, done: int, total: int) -> None:
        self._say(f"{done:,}/{total:,}", done, total)

    def moment(self, moment: TrainingStep) -> None:
        done = (moment.epoch - 1) * moment.steps + moment.step
        self._say(describe(moment), done, moment.epochs * moment.steps)

    def named(self, name: str, moment: TrainingStep) -> None:
        self.moment(moment)


class PlainLog:
    """Plain lines: a stage's end, and at most one line every ten seconds while it runs."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._whole: RunProgress | None = None
        self._last = environment.stopwatch()

    def expect(self, whole: RunProgress) -> None:
        """End every line of progress with what is left of the whole."""
        self._whole = whole

    def show(self, text: str, done: int, total: int) -> None:
        """Print how far a stage and the whole are, if the last line is ten seconds old."""
        if self._whole is not None:
            self._whole.advance(done, total)
        now = environment.stopwatch()
        if now - self._last >= PLAIN_SECONDS:
            self._last = now
            self.say(text + self._left())

    @contextmanager
    def stage(self, name: str) -> Iterator[StageProgress]:
        """Print how long the stage took, if it took any time worth a line."""
        began = self._last = environment.stopwatch()
        with _count_stage(self._whole, name):
            yield _StageLog(self, name)
            seconds = environment.stopwatch() - began
            if seconds > 1:
                if self._whole is not None:
                    self._whole.advance(1, 1)
                self.say(f"{name}: done in {seconds:,.1f} s{self._left()}")

    def _left(self) -> str:
        return f"; {self._whole.describe()}" if self._whole is not None else ""

    def say(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)

    def warn(self, text: str) -> None:
        """Print a warning."""
        print_warning(self._console, text)


def display_for(console: Console) -> Display:
    """Bars on a terminal, lines elsewhere; nothing from any but the first of several processes."""
    if environment.rank():
        return NoDisplay()
    return StageBars(console) if console.is_terminal else PlainLog(console)
