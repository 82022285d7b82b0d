"""Check the contract of an executor with small programs in the place of workers."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sslbench.api.executors import WorkerPool
from sslbench.environment import isolated_python, stopwatch
from sslbench.testing.check import NotApplicable, Subject, check

WORKER = """
import os, pathlib, sys, time
folder, number = pathlib.Path(os.environ["SSLBENCH_KIT_FOLDER"]), sys.argv[-1]
starts = len(list(folder.glob(f"start-{number}-*")))
(folder / f"start-{number}-{starts}").touch()
for beat in range(starts and 300):
    (folder / f"beat-{number}").write_text(str(beat))
    time.sleep(0.1)
sys.exit(1)
"""
"""A worker that ends at once when it is started first, and then runs for 30 s, unless it is stopped."""
SECONDS = 60.0
"""Limit on the time until all workers are restarted."""


@dataclass(slots=True, kw_only=True, eq=False)
class Watch:
    """Work that is left until every worker has been started twice, or the time is over."""

    folder: Path
    end: float

    def starts(self) -> dict[str, int]:
        """Count the starts of every worker that was started."""
        numbers = [path.name.split("-")[1] for path in self.folder.glob("start-*")]
        return {number: numbers.count(number) for number in numbers}

    def poll(self) -> bool:
        """Return whether work is left."""
        starts = self.starts()
        return (not starts or min(starts.values()) < 2) and stopwatch() < self.end

    def beats(self) -> dict[str, str]:
        """Return the last sign of life of every worker that runs."""
        time.sleep(0.5)
        return {path.name.removeprefix("beat-"): path.read_text() for path in self.folder.glob("beat-*")}


@check(
    "executor",
    change="return '' or one line from missing(), and accept the settings as argument of the implementation",
    needs=("has_an_implementation",),
)
def reports_missing_requirements(subject: Subject) -> Iterator[str]:
    """Without the cluster's packages, users need a one-line message, not a traceback."""
    message = subject.spec.missing()
    if not isinstance(message, str) or "\n" in message:
        yield f"missing() returns {message!r}"
    elif not message:
        subject.component.implementation()(subject.spec.smoke)


@check(
    "executor",
    change="restart workers that end while poll() returns True, pass `variables`, and stop all workers before run() returns",
    needs=("reports_missing_requirements",),
)
def restarts_workers(subject: Subject) -> Iterator[str]:
    """Work of a worker that is not restarted is never done, and a worker that is left keeps its cores."""
    if message := subject.spec.missing():
        raise NotApplicable(message)
    with tempfile.TemporaryDirectory(prefix="sslbench-kit-") as name:
        folder = Path(name) / "starts"
        folder.mkdir()
        watch = Watch(folder=folder, end=stopwatch() + SECONDS)
        pool = WorkerPool(
            command=(*isolated_python(), "-c", WORKER), threads=1, folder=Path(name) / "logs",
            variables={"SSLBENCH_KIT_FOLDER": str(folder)}, python=isolated_python(),
        )  # fmt: skip
        subject.component.implementation()(subject.spec.smoke).run(pool, watch.poll, lambda line: None)
        starts, before, after = watch.starts(), watch.beats(), watch.beats()
    if not starts:
        yield f"run() starts no worker in {SECONDS:g} s"
    unfinished = sorted(number for number, count in starts.items() if count < 2)
    yield from (
        f"worker {number} ended while work was left, and was not started again in {SECONDS:g} s"
        for number in unfinished
    )
    left = sorted(number for number, beat in after.items() if beat != before.get(number))
    yield from (f"worker {number} still runs when run() has returned" for number in left)
