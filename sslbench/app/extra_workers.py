"""Start extra worker processes for one `run`, because small trainings do not use all cores.

Each process runs `extra_worker`, which plans the same requests and makes stages that no other process makes. Only the
process that started them writes records, so a worker that ends early costs nothing but time.
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
from sslbench.config.plan import Plan
from sslbench.config.run_names import run_id
from sslbench.convert import to_plain
from sslbench.results.store import Store
from sslbench.stages.graph import Stage
from sslbench.stages.stage import is_finished

PROGRAM = "sslbench.app.extra_worker"
PROGRESS_FOLDER = "posts"
"""Folder of the workers' progress files, inside the folder that they are started with."""
SAMPLES_PER_WORKER = 100_000
"""Training samples per extra worker: it takes seconds to start, in which it could process thousands of samples."""
MIN_STAGE_SAMPLES = 5_000
"""Training samples from which a stage justifies a process of its own."""
WORKER_MEMORY = 2 * 2**30
"""Upper bound of the bytes of memory of a process with small trainings."""
EXIT_SECONDS = 5.0
"""Seconds to wait for a terminated process before it is killed."""


@contextmanager
def extra_workers(
    plans: Sequence[Plan], stages: Iterable[Stage], store: Store, log: Callable[[str], None]
) -> Iterator[Path | None]:
    """Run extra workers on the stages during the block, as many as cores, memory and work justify.

    Yields the folder of their progress files (see `read_worker_progress`), or None without workers. `log` receives their
    messages, and the last line of a worker that failed: the run then takes longer, but is complete.
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
                _wait_or_kill(worker)
            for number in failed:
                output = (Path(folder) / f"output-{number}.log").read_text(errors="replace").strip().splitlines()
                log(f"extra worker {number} ended early: {output[-1] if output else 'it printed nothing'}")
            for file in sorted((Path(folder) / PROGRESS_FOLDER).glob("*.log")):
                for line in file.read_text().splitlines():
                    log(line)


def count_extra_workers(plans: Sequence[Plan], stages: Iterable[Stage]) -> int:
    """Return the number of useful extra workers.

    It is 0 if the user set `threads`, which then limits the cores of this run; if there is a GPU; and if several processes
    share each training.
    """
    threads = max((plan.threads for plan in plans), default=1)
    is_settled = any(plan.request.get("threads") or plan.train.processes > 1 for plan in plans)
    if (
        is_settled
        or environment.process_count() > 1
        or threads >= environment.count_cores()
        or environment.count_gpus()
    ):
        return 0
    left = [stage.rows for stage in stages if stage.kind in ("pretrain", "evaluate") and not is_finished(stage.folder)]
    trainings = [rows for rows in left if rows >= MIN_STAGE_SAMPLES]
    memory = environment.free_memory()
    limits = [environment.count_cores() // threads - 1, sum(trainings) // SAMPLES_PER_WORKER, len(trainings) - 1]
    limits += [] if memory is None else [memory // WORKER_MEMORY]
    return max(0, min(limits))


def _start(folder: Path, plans: Sequence[Plan], store: Store, number: int) -> subprocess.Popen[bytes]:
    """Start one worker in its own session, so that Ctrl-C reaches only this process."""
    content = {
        "store": {"root": str(store.root.absolute()), "prepared": str(store.prepared.absolute())},
        "runs": [{"name": run_id(plan), "tree": to_plain(plan.request)} for plan in plans],
    }
    write_atomically(folder / "runs.json", json.dumps(content).encode())
    program = [*environment.isolated_python(), "-m", PROGRAM, str(folder), str(number)]
    variables = {**os.environ, "OMP_NUM_THREADS": str(max(plan.threads for plan in plans)), **environment.ISOLATION}
    with (folder / f"output-{number}.log").open("wb") as log:
        return subprocess.Popen(program, env=variables, stdout=log, stderr=log, start_new_session=True)


def _wait_or_kill(worker: subprocess.Popen[bytes]) -> None:
    try:
        worker.wait(timeout=EXIT_SECONDS)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.wait()
