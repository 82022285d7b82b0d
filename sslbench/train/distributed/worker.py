"""Run one worker of a shared pretraining; torchrun starts it with the task's folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sslbench import environment
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine, make_plan
from sslbench.data.table import open_prepared
from sslbench.library_warnings import silence_library_warnings
from sslbench.train.distributed.launch import TASK_FILE, exit_worker, make_step_writer, save_error
from sslbench.train.loop import ignore_step
from sslbench.train.pretrain import pretrain


def main(folder: Path) -> None:
    """Make the plan of the task, and train with the other workers."""
    silence_library_warnings()
    task = json.loads((folder / TASK_FILE).read_text())
    catalog = discover(installed_entries(), disabled=environment.disabled_plugins())
    machine = Machine(threads=task["threads"], precision=task["precision"])
    rank = environment.process_rank()
    try:
        plan = make_plan(task["tree"], catalog, DatasetCache(environment.places()), machine)
        tables = [open_prepared(Path(path), name) for path, name in task["tables"]]
        pretrain(plan, tables, task["seed"], task["fold"], folder, ignore_step if rank else make_step_writer(folder))
    except Exception as error:
        save_error(folder, rank, error)
        raise
    exit_worker()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
