"""Run one worker of a shared pretraining; torchrun starts it with the task's folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sslbench import environment
from sslbench.catalog.discovery import discover_installed
from sslbench.config.datasets import DatasetCache
from sslbench.config.plan import Machine, Plan, make_plan
from sslbench.config.plan_stages import split_plan
from sslbench.config.stage_inputs import PretrainInputs
from sslbench.data.table import open_prepared
from sslbench.library_warnings import silence_library_warnings
from sslbench.train.distributed.launch import TASK_FILE, exit_worker, make_step_writer, save_error
from sslbench.train.loop import ignore_step
from sslbench.train.pretrain import pretrain


def main(folder: Path) -> None:
    """Make the plan of the task, and train with the other workers."""
    silence_library_warnings()
    task = json.loads((folder / TASK_FILE).read_text())
    catalog = discover_installed()
    machine = Machine(threads=task["threads"], precision=task["precision"])
    rank = environment.process_rank()
    try:
        plan = make_plan(task["tree"], catalog, DatasetCache(environment.places()), machine)
        inputs = _find_inputs(plan, task["key"])
        tables = [open_prepared(Path(path), name) for path, name in task["tables"]]
        on_step = ignore_step if rank else make_step_writer(folder)
        pretrain(inputs, tables, folder, on_step, plan.train.checkpoint_seconds)
    except Exception as error:
        save_error(folder, rank, error)
        raise
    exit_worker()


def _find_inputs(plan: Plan, key: str) -> PretrainInputs:
    """Return the inputs with the key that the first process computed; other inputs would give another result."""
    found = [one.pretrain for one in split_plan(plan).trainings if one.pretrain.key == key]
    if not found:
        raise RuntimeError(
            f"this process plans other inputs than the one that started it (key {key}). Are versions equal?"
        )
    return found[0]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
