"""Write and read the progress of workers: one small JSON file each in a shared folder."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from sslbench import environment
from sslbench.api.files import write_atomically
from sslbench.progress import RunProgress, StageProgress, TrainingStep, WorkerProgress, describe_step

MIN_INTERVAL = 1.0
"""Smallest number of seconds between two writes."""


@dataclass(slots=True)
class _ProgressFile:
    """Progress of one stage in a worker's file."""

    path: Path
    worker: str
    title: str
    began: float
    last: float = 0.0

    def write(self, done: int, total: int, detail: str) -> None:
        """Write the progress, unless the last write was less than MIN_INTERVAL ago."""
        now = environment.stopwatch()
        if now - self.last < MIN_INTERVAL and done:
            return
        self.last = now
        progress = WorkerProgress(
            worker=self.worker, title=self.title, done=done, total=total, detail=detail, seconds=now - self.began
        )
        write_atomically(self.path, json.dumps(asdict(progress)).encode())

    def report_count(self, done: int, total: int) -> None:
        """Write the progress of a stage in units of its own."""
        self.write(done, total, "")

    def report_step(self, moment: TrainingStep) -> None:
        """Write the progress of a training."""
        done = (moment.epoch - 1) * moment.steps + moment.step
        self.write(done, moment.epochs * moment.steps, describe_step(moment))

    def report_named_step(self, name: str, moment: TrainingStep) -> None:
        """Write the progress of a named training."""
        self.report_step(moment)


class WorkerDisplay:
    """A worker's display: a file with its current stage, and a log of its messages."""

    def __init__(self, folder: Path, worker: str) -> None:
        self._path, self._log, self._worker = folder / f"{worker}.json", folder / f"{worker}.log", worker
        folder.mkdir(parents=True, exist_ok=True)

    def expect(self, run: RunProgress) -> None:
        """Ignore the expected stages: a study counts those of all workers."""

    @contextmanager
    def stage(self, name: str) -> Iterator[StageProgress]:
        """Write the progress of a stage while it runs."""
        file = _ProgressFile(self._path, self._worker, name, environment.stopwatch())
        file.write(0, 0, "")
        try:
            yield file
        finally:
            self._path.unlink(missing_ok=True)

    def log(self, text: str) -> None:
        """Write a line to the log."""
        with self._log.open("a") as log:
            log.write(f"{text}\n")

    def warn(self, text: str) -> None:
        """Write a warning to the log."""
        self.log(text)


def read_worker_progress(folder: Path) -> list[WorkerProgress]:
    """Return the current progress of all workers that have written it."""
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            found.append(WorkerProgress(**json.loads(path.read_text())))
        except (FileNotFoundError, ValueError, TypeError):
            continue
    return found


def clear_worker_progress(folder: Path) -> None:
    """Delete progress files of an earlier start; logs are kept."""
    for path in folder.glob("*.json"):
        path.unlink(missing_ok=True)
