"""One of two processes that end as the errand says; torchrun starts it in the place of `sslbench.train.distributed.worker`."""

from __future__ import annotations

import atexit
import json
import os
import sys
from pathlib import Path

from sslbench import environment
from sslbench.train.distributed.launch import meet, report, vanish

if __name__ == "__main__":
    folder = Path(sys.argv[1])
    way = json.loads((folder / "errand.json").read_text())["tree"]["way"]
    if way == "abort":
        os.abort()
    if way == "second alone" and environment.rank() == 1:
        report(folder, 1, ValueError("no disk is left here"))
        raise SystemExit(1)
    meet()
    atexit.register(os.abort)  # as threads do that outlive what they use
    vanish()
