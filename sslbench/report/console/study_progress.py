"""Show the progress of a study, as live bars or as plain lines."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from sslbench import environment
from sslbench.progress import StudyCounts, WorkerProgress, format_duration

PLAIN_SECONDS = 10.0


class StudyProgress(Protocol):
    """Interface of displays of a study's progress."""

    def __enter__(self) -> StudyProgress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, counts: StudyCounts, workers: Sequence[WorkerProgress]) -> None: ...

    def log(self, text: str) -> None: ...


def describe_counts(counts: StudyCounts) -> str:
    """Describe how many runs and stages of a study are done, and the remaining time."""
    left = (
        ""
        if counts.seconds_left is None or not counts.stages_left
        else f", {format_duration(counts.seconds_left)} left"
    )
    done = counts.runs - counts.runs_left
    return f"{done}/{counts.runs} runs, {counts.stages - counts.stages_left}/{counts.stages} stages{left}"


def describe_worker(worker: WorkerProgress) -> str:
    """Describe the stage of a worker and its progress."""
    share = f"{worker.done / worker.total:.0%} " if worker.total else ""
    return f"{worker.title}: {share}{worker.detail}".rstrip(": ")


class StudyBars:
    """A live bar for the study and one for every worker."""

    def __init__(self, console: Console) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(24), TextColumn("{task.fields[detail]}"))
        self._progress = Progress(*columns, console=console, transient=True)
        self._all = self._progress.add_task("study", total=None, detail="")
        self._workers: dict[str, TaskID] = {}

    def __enter__(self) -> StudyBars:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def show(self, counts: StudyCounts, workers: Sequence[WorkerProgress]) -> None:
        """Update the bars."""
        done = counts.stages - counts.stages_left
        self._progress.update(self._all, completed=done, total=counts.stages, detail=describe_counts(counts))
        active = {worker.worker for worker in workers}
        for ended in [name for name in self._workers if name not in active]:
            self._progress.remove_task(self._workers.pop(ended))
        for worker in workers:
            if worker.worker not in self._workers:
                self._workers[worker.worker] = self._progress.add_task(worker.worker, total=None, detail="")
            total, detail = worker.total or None, describe_worker(worker)
            self._progress.update(self._workers[worker.worker], completed=worker.done, total=total, detail=detail)

    def log(self, text: str) -> None:
        """Print a line above the bars."""
        self._progress.console.print(text, highlight=False, markup=False, soft_wrap=True)


class PlainStudyLog:
    """A plain line every ten seconds, and at the end of every run."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last = environment.stopwatch()
        self._left = -1

    def __enter__(self) -> PlainStudyLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def show(self, counts: StudyCounts, workers: Sequence[WorkerProgress]) -> None:
        """Print the progress of the study."""
        now = environment.stopwatch()
        if now - self._last < PLAIN_SECONDS and counts.runs_left == self._left:
            return
        self._last, self._left = now, counts.runs_left
        busy = "; ".join(describe_worker(worker) for worker in workers)
        self.log(f"{describe_counts(counts)}{f' ({busy})' if busy else ''}")

    def log(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def study_progress_for(console: Console) -> StudyProgress:
    """Return bars on a terminal and plain lines elsewhere."""
    return StudyBars(console) if console.is_terminal else PlainStudyLog(console)
