"""Run one of two processes that end as the task requests; torchrun starts it instead of `sslbench.train.distributed.worker`."""

from __future__ import annotations

import atexit
import json
import os
import sys
from pathlib import Path

from sslbench import environment
from sslbench.train.distributed.launch import exit_worker, init_group, save_error

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    way = json.loads((folder / "task.json").read_text())["tree"]["way"]
    if way == "abort":
        os.abort()
    if way == "second alone" and environment.process_rank() == 1:
        save_error(folder, 1, ValueError("no disk is left here"))
        raise SystemExit(1)
    init_group()
    atexit.register(os.abort)  # as threads do that outlive the objects they use
    exit_worker()
