"""Run a worker of a study: `python -m sslbench.app.worker FOLDER NUMBER` makes stages until none is left.

It ends when the process that started it ends, so that a killed study leaves no processes.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

from sslbench import environment
from sslbench.app.study_folder import StudyFolder
from sslbench.app.worker_progress import WorkerDisplay
from sslbench.catalog.discovery import discover_installed
from sslbench.catalog.events import EventBus
from sslbench.catalog.metrics import installed_metrics
from sslbench.library_warnings import silence_library_warnings
from sslbench.pipeline.stages import make_run
from sslbench.stages.lease import Leases
from sslbench.stages.work import work
from sslbench.train.interrupt import Interrupted, handle_signals


def main(folder: Path, number: str) -> None:
    """Plan the study from its folder again, and make stages."""
    silence_library_warnings()
    study = StudyFolder(path=folder)
    catalog = discover_installed()
    display = WorkerDisplay(study.workers, f"{environment.host_name()}-{number}")
    grid = study.grid(catalog, display.log)
    runs = [make_run(row.plan, study.store, installed_metrics(catalog)) for row in grid.rows]
    work(runs, Leases(), display, EventBus(catalog, display.log))


def exit_with_parent(parent: int) -> None:
    """Exit this process when its parent has exited."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(143)

    threading.Thread(target=watch, daemon=True, name="parent").start()


if __name__ == "__main__":
    exit_with_parent(os.getppid())
    try:
        with handle_signals():
            main(Path(sys.argv[1]), sys.argv[2])
    except Interrupted as signal:
        sys.exit(signal.code)
