"""More processes for one `run`: where trainings are small, one process leaves cores idle that others can use.

Each is the program `assistant`, which plans the same requests again and makes whatever stage is free. The process that
started them closes the runs, so they may end at any moment and nothing is lost but time.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sslbench import environment
from sslbench.api.files import write_atomically
from sslbench.config.keys import run_id
from sslbench.config.plan import Plan
from sslbench.convert import plain
from sslbench.results.store import Store
from sslbench.stages.graph import Stage
from sslbench.stages.stage import finished

PROGRAM = "sslbench.app.extra_worker"
PROGRESS_FOLDER = "posts"
"""The folder of the workers' posts, in the folder that they are told."""
SAMPLES_PER_WORKER = 100_000
"""Samples that a process must have to pass: it needs some seconds to start, and passes some thousand samples in each."""
MIN_STAGE_SAMPLES = 5_000
"""Samples from which on a stage is worth a process of its own."""
WORKER_MEMORY = 2 * 2**30
"""Bytes that a process with small trainings takes at most."""
EXIT_SECONDS = 5.0
"""Seconds in which a process ends that is told to."""


@contextmanager
def extra_workers(
    plans: Sequence[Plan], stages: Iterable[Stage], store: Store, say: Callable[[str], None]
) -> Iterator[Path | None]:
    """Run further workers on the stages while the block runs, as many as cores, memory and work allow.

    Yields the folder in which they post what they are doing (`posts.read_posts`), or None where there are none. `say` gets
    what they had to say, and the last line of one that failed: the run then takes longer, and lacks nothing.
    """
    count = count_extra_workers(plans, stages)
    if not count:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="sslbench-") as folder:
        workers: list[subprocess.Popen[bytes]] = []
        try:
            workers.extend(_start(Path(folder), plans, store, number) for number in range(1, count + 1))
            yield Path(folder) / PROGRESS_FOLDER
        finally:
            failed = [number for number, worker in enumerate(workers, 1) if worker.poll()]
            for worker in workers:
                worker.terminate()
            for worker in workers:
                _await_end(worker)
            for number in failed:
                output = (Path(folder) / f"output-{number}.log").read_text(errors="replace").strip().splitlines()
                say(f"further worker {number} ended early: {output[-1] if output else 'it printed nothing'}")
            for log in sorted((Path(folder) / PROGRESS_FOLDER).glob("*.log")):
                for line in log.read_text().splitlines():
                    say(line)


def count_extra_workers(plans: Sequence[Plan], stages: Iterable[Stage]) -> int:
    """Return how many workers beside this process can be of use.

    None where the user set `threads`, which are then the cores that this run may use; where a GPU does the work; and where
    several processes share each training.
    """
    threads = max((plan.threads for plan in plans), default=1)
    is_settled = any(plan.request.get("threads") or plan.train.processes > 1 for plan in plans)
    if is_settled or environment.processes() > 1 or threads >= environment.cores() or environment.gpus():
        return 0
    left = [stage.rows for stage in stages if stage.kind in ("pretrain", "evaluate") and not finished(stage.folder)]
    trainings = [rows for rows in left if rows >= MIN_STAGE_SAMPLES]
    memory = environment.free_memory()
    limits = [environment.cores() // threads - 1, sum(trainings) // SAMPLES_PER_WORKER, len(trainings) - 1]
    limits += [] if memory is None else [memory // WORKER_MEMORY]
    return max(0, min(limits))


def _start(folder: Path, plans: Sequence[Plan], store: Store, number: int) -> subprocess.Popen[bytes]:
    """Start one worker in a session of its own, so that Ctrl-C reaches this process alone."""
    content = {
        "store": {"root": str(store.root.absolute()), "prepared": str(store.prepared.absolute())},
        "runs": [{"name": run_id(plan), "tree": plain(plan.request)} for plan in plans],
    }
    write_atomically(folder / "runs.json", json.dumps(content).encode())
    program = [*environment.isolated_python(), "-m", PROGRAM, str(folder), str(number)]
    variables = {**os.environ, "OMP_NUM_THREADS": str(max(plan.threads for plan in plans)), **environment.APART}
    with (folder / f"output-{number}.log").open("wb") as log:
        return subprocess.Popen(program, env=variables, stdout=log, stderr=log, start_new_session=True)


def _await_end(worker: subprocess.Popen[bytes]) -> None:
    try:
        worker.wait(timeout=EXIT_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
