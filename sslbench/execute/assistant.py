"""A further worker of one `run`, as a program: `python -m sslbench.execute.assistant FOLDER NUMBER`.

It makes stages and closes no run. It ends with the process that started it.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from sslbench import environment
from sslbench.catalog.discovery import discover, installed_entries
from sslbench.catalog.events import Herald
from sslbench.config.parts import Shelf
from sslbench.config.plan import make_plan
from sslbench.execute.extra_workers import POSTS
from sslbench.execute.here import this_machine
from sslbench.execute.library_warnings import silence_library_warnings
from sslbench.execute.posts import Posts
from sslbench.execute.worker import end_with
from sslbench.pipeline import run_of
from sslbench.results.store import Store
from sslbench.stages.lease import Leases
from sslbench.stages.work import work
from sslbench.train.interrupt import Interrupted, orderly_end


def main(folder: Path, number: str) -> None:
    """Plan the runs again, and work on those whose names agree: others were planned with other components."""
    silence_library_warnings()
    content = json.loads((folder / "runs.json").read_text())
    store = Store(root=Path(content["store"]["root"]), prepared=Path(content["store"]["prepared"]))
    catalog = discover(installed_entries(), disabled=environment.disabled_plugins())
    posts = Posts(folder / POSTS, f"worker-{number}")
    shelf = Shelf(environment.places())
    plans = [make_plan(run["tree"], catalog, shelf, this_machine()) for run in content["runs"]]
    names = {run["name"] for run in content["runs"]}
    runs = {run.name: run for plan in plans if (run := run_of(plan, store)).name in names}
    work(list(runs.values()), Leases(), posts, Herald(catalog, posts.say), assists=True)


if __name__ == "__main__":
    end_with(os.getppid())
    try:
        with orderly_end():
            main(Path(sys.argv[1]), sys.argv[2])
    except Interrupted as signal:
        sys.exit(signal.code)
