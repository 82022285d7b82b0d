"""Run an extra worker of one `run`: `python -m sslbench.app.extra_worker FOLDER NUMBER`.

It makes stages and writes no records. It ends when the process that started it ends.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from sslbench import environment
from sslbench.app.extra_workers import PROGRESS_FOLDER
from sslbench.app.run import detect_machine
from sslbench.app.worker import exit_with_parent
from sslbench.app.worker_progress import WorkerDisplay
from sslbench.catalog.discovery import discover_installed
from sslbench.catalog.events import EventBus
from sslbench.catalog.metrics import installed_metrics
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import make_plan
from sslbench.library_warnings import silence_library_warnings
from sslbench.pipeline.stages import make_run
from sslbench.results.store import Store
from sslbench.stages.lease import Leases
from sslbench.stages.work import work
from sslbench.train.interrupt import Interrupted, handle_signals


def main(folder: Path, number: str) -> None:
    """Plan the runs of `folder` again and compute their stages as worker `number`.

    A run that has another name here was planned with other components, and is skipped.
    """
    silence_library_warnings()
    content = json.loads((folder / "runs.json").read_text())
    store = Store(root=Path(content["store"]["root"]), prepared=Path(content["store"]["prepared"]))
    catalog = discover_installed()
    display = WorkerDisplay(folder / PROGRESS_FOLDER, f"worker-{number}")
    datasets = DatasetCache(environment.places())
    plans = [make_plan(run["tree"], catalog, datasets, detect_machine()) for run in content["runs"]]
    names = {run["name"] for run in content["runs"]}
    metrics = installed_metrics(catalog)
    runs = {run.name: run for plan in plans if (run := make_run(plan, store, metrics)).name in names}
    work(list(runs.values()), Leases(), display, EventBus(catalog, display.log), assists=True)


if __name__ == "__main__":
    exit_with_parent(os.getppid())
    try:
        with handle_signals():
            main(Path(sys.argv[1]), sys.argv[2])
    except Interrupted as signal:
        sys.exit(signal.code)
