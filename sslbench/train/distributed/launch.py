"""Run one pretraining in several processes, started here through torchrun or before by torchrun or srun.

If started here, this process waits and forwards the progress that the first worker writes. If started before, the first
process broadcasts each pretraining to the others, and does all other work alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch.distributed as distributed

from sslbench import environment
from sslbench.api.errors import Diverged, Unavailable
from sslbench.api.files import write_atomically
from sslbench.progress import TrainingStep

POLL_SECONDS = 0.5
GROUP_TIMEOUT = timedelta(days=14)
"""Maximum time that processes wait for the next pretraining."""
PROGRAM = "sslbench.train.distributed.worker"
TASK_FILE = "task.json"
STEP_FILE = "step.json"
ERROR_FILE = "error-{}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTask:
    """The task of a worker process: a request, from which it makes the plan, and the key of the pretraining to run."""

    tree: Mapping[str, Any]
    threads: int
    precision: str
    key: str
    tables: tuple[tuple[str, str], ...]


def run_workers(task: WorkerTask, processes: int, folder: Path, on_step: Callable[[TrainingStep], None]) -> None:
    """Run a task in several processes of this machine and wait. Raises the first worker's error."""
    for stale in (folder / STEP_FILE, *folder.glob(ERROR_FILE.format("*"))):
        stale.unlink(missing_ok=True)
    write_atomically(folder / TASK_FILE, json.dumps(asdict(task)).encode())
    torchrun = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}")
    with (folder / "ranks.log").open("wb") as log:
        program = [*environment.isolated_python(), *torchrun, "-m", PROGRAM, str(folder)]
        process = subprocess.Popen(program, stdout=log, stderr=log, env=environment.worker_environment(task.threads))
        try:
            while process.poll() is None:
                time.sleep(POLL_SECONDS)
                forward_step(folder, on_step)
        finally:
            process.terminate()
            process.wait()
    if process.returncode:
        raise _load_error(folder, process.returncode)
    for name in (STEP_FILE, TASK_FILE, "ranks.log"):
        (folder / name).unlink(missing_ok=True)


def make_step_writer(folder: Path) -> Callable[[TrainingStep], None]:
    """Return the first worker's step callback, which writes its progress to a file every POLL_SECONDS."""
    last = [0.0]

    def on_step(step: TrainingStep) -> None:
        if environment.stopwatch() - last[0] >= POLL_SECONDS:
            last[0] = environment.stopwatch()
            write_atomically(folder / STEP_FILE, json.dumps(asdict(step)).encode())

    return on_step


def forward_step(folder: Path, on_step: Callable[[TrainingStep], None]) -> None:
    """Pass on the latest step that the first worker wrote."""
    path = folder / STEP_FILE
    if path.exists():
        on_step(TrainingStep(**json.loads(path.read_text())))


def save_error(folder: Path, rank: int, error: Exception) -> None:
    """Write a worker's error for the process that waits."""
    content = {"kind": type(error).__name__, "text": str(error)}
    if isinstance(error, Diverged):
        content |= {"step": str(error.step), "value": str(error.value)}
    write_atomically(folder / ERROR_FILE.format(rank), json.dumps(content).encode())


def _load_error(folder: Path, code: int) -> Exception:
    """Return the first worker's error; later ones are usually its consequences."""
    files = sorted(folder.glob(ERROR_FILE.format("*")), key=lambda path: (path.stat().st_mtime_ns, path.name))
    if not files:
        log = folder / "ranks.log"
        return RuntimeError(f"the training processes ended with exit code {code} and no error message. See {log}")
    content = json.loads(files[0].read_text())
    if content["kind"] == "Diverged":
        return Diverged(int(content["step"]), float(content["value"]))
    return Unavailable(content["text"]) if content["kind"] == "Unavailable" else RuntimeError(content["text"])


def is_launched_externally() -> bool:
    """Return True if torchrun or srun started several processes of this program."""
    return environment.process_count() > 1


def init_group() -> None:
    """Initialize torch's process group with the processes that were started with this one."""
    if is_launched_externally() and not distributed.is_initialized():
        cluster = environment.cluster_environment(environment.process_count())
        distributed.init_process_group(
            environment.distributed_backend(), rank=cluster.global_rank(), world_size=cluster.world_size(),
            timeout=GROUP_TIMEOUT, init_method=f"tcp://{cluster.main_address}:{cluster.main_port}",
        )  # fmt: skip


def broadcast_task(name: str, folder: Path) -> None:
    """Send a pretraining to the other processes, if there are any."""
    if is_launched_externally():
        init_group()
        distributed.broadcast_object_list([(name, str(folder))], src=0)


def leave_group() -> None:
    """Leave the process group, after all processes have arrived: leaving during communication may crash threads."""
    if distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()


def exit_worker() -> None:
    """Exit at once after the work is saved: gloo's threads may abort during a normal interpreter shutdown."""
    with contextlib.suppress(RuntimeError):  # the others have finished too, and some may have exited already
        leave_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def release_workers() -> None:
    """Tell the other processes to stop."""
    if is_launched_externally():
        init_group()
        distributed.broadcast_object_list([None], src=0)
        leave_group()


def serve(join: Callable[[str, Path], None]) -> None:
    """Join each pretraining that the first process broadcasts, until it releases the workers."""
    init_group()
    while True:
        received: list[Any] = [None]
        distributed.broadcast_object_list(received, src=0)
        if received[0] is None:
            leave_group()
            return
        name, folder = received[0]
        with contextlib.suppress(Exception):  # the first process fails with the same error, and records it
            join(name, Path(folder))
