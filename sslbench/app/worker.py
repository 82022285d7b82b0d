"""A worker as a program: `python -m sslbench.app.worker FOLDER NUMBER` works on a study until nothing is left.

It ends with the process that started it, so that a killed study leaves nobody behind.
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
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.catalog.events import EventBus
from sslbench.library_warnings import silence_library_warnings
from sslbench.pipeline.stages import run_of
from sslbench.stages.lease import Leases
from sslbench.stages.work import work
from sslbench.train.interrupt import Interrupted, orderly_end


def main(folder: Path, number: str) -> None:
    """Plan the study again, as its folder says, and work."""
    silence_library_warnings()
    study = StudyFolder(path=folder)
    catalog = discover(installed_entries(), disabled=environment.disabled_plugins())
    posts = WorkerDisplay(study.workers, f"{environment.node()}-{number}")
    grid = study.grid(catalog, posts.say)
    runs = [run_of(row.plan, study.store) for row in grid.rows]
    work(runs, Leases(), posts, EventBus(catalog, posts.say))


def exit_with_parent(parent: int) -> None:
    """End this process when its parent has ended."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(143)

    threading.Thread(target=watch, daemon=True, name="parent").start()


if __name__ == "__main__":
    exit_with_parent(os.getppid())
    try:
        with orderly_end():
            main(Path(sys.argv[1]), sys.argv[2])
    except Interrupted as signal:
        sys.exit(signal.code)
