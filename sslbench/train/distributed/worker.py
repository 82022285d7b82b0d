"""One of several processes that share a pretraining, as a program: torchrun starts it on an errand's folder."""

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
from sslbench.train.distributed.launch import post, report, vanish
from sslbench.train.loop import silent
from sslbench.train.pretrain import pretrain


def main(folder: Path) -> None:
    """Plan again what the errand says, and train with the others."""
    silence_library_warnings()
    errand = json.loads((folder / "errand.json").read_text())
    catalog = discover(installed_entries(), disabled=environment.disabled_plugins())
    machine = Machine(threads=errand["threads"], precision=errand["precision"])
    rank = environment.rank()
    try:
        plan = make_plan(errand["tree"], catalog, DatasetCache(environment.places()), machine)
        tables = [open_prepared(Path(path), name) for path, name in errand["tables"]]
        pretrain(plan, tables, errand["seed"], errand["fold"], folder, silent if rank else post(folder))
    except Exception as error:
        report(folder, rank, error)
        raise
    vanish()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
