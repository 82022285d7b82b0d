"""A study's progress while it runs: one bar for the whole and one for every worker, or plain lines. Prints only."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn

from sslbench import environment
from sslbench.progress import StudyCounts, WorkerProgress, duration

PLAIN_SECONDS = 10.0


class StudyProgress(Protocol):
    """Where a study's progress goes."""

    def __enter__(self) -> StudyProgress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, tally: StudyCounts, posts: Sequence[WorkerProgress]) -> None: ...

    def log(self, text: str) -> None: ...


def describe_counts(tally: StudyCounts) -> str:
    """How far a study is, in words."""
    left = "" if tally.seconds_left is None or not tally.stages_left else f", {duration(tally.seconds_left)} left"
    done, of = tally.runs - tally.runs_left, tally.runs
    return f"{done}/{of} runs, {tally.stages - tally.stages_left}/{tally.stages} stages{left}"


def describe_worker(post: WorkerProgress) -> str:
    """What a worker is doing, in words."""
    share = f"{post.done / post.total:.0%} " if post.total else ""
    return f"{post.title}: {share}{post.detail}".rstrip(": ")


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

    def show(self, tally: StudyCounts, posts: Sequence[WorkerProgress]) -> None:
        """Move the bars."""
        done = tally.stages - tally.stages_left
        self._progress.update(self._all, completed=done, total=tally.stages, detail=describe_counts(tally))
        there = {post.worker for post in posts}
        for gone in [worker for worker in self._workers if worker not in there]:
            self._progress.remove_task(self._workers.pop(gone))
        for post in posts:
            if post.worker not in self._workers:
                self._workers[post.worker] = self._progress.add_task(post.worker, total=None, detail="")
            total = post.total or None
            self._progress.update(
                self._workers[post.worker], completed=post.done, total=total, detail=describe_worker(post)
            )

    def log(self, text: str) -> None:
        """Print a line above the bars."""
        self._progress.console.print(text, highlight=False, markup=False, soft_wrap=True)


class PlainStudyLog:
    """A plain line every ten seconds, and whenever a run ends."""

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

    def show(self, tally: StudyCounts, posts: Sequence[WorkerProgress]) -> None:
        """Print where the study is."""
        now = environment.stopwatch()
        if now - self._last < PLAIN_SECONDS and tally.runs_left == self._left:
            return
        self._last, self._left = now, tally.runs_left
        busy = "; ".join(describe_worker(post) for post in posts)
        self.log(f"{describe_counts(tally)}{f' ({busy})' if busy else ''}")

    def log(self, text: str) -> None:
        """Print a line."""
        self._console.print(text, highlight=False, markup=False, soft_wrap=True)


def study_progress_for(console: Console) -> StudyProgress:
    """Bars on a terminal, lines elsewhere."""
    return StudyBars(console) if console.is_terminal else PlainStudyLog(console)
