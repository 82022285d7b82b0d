"""Several processes for one pretraining: started here through torchrun, or already started by torchrun or srun.

Started here, this process waits and shows what the first of them posts. Already started, the first process leads: it calls
the others into each pretraining, and does everything else alone.
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
from sslbench.config.plan import Plan
from sslbench.progress import TrainingStep

TICK = 0.5
PATIENCE = timedelta(days=14)
"""How long processes that are called into pretrainings wait for the next call."""
PROGRAM = "sslbench.train.distributed.worker"
ERRORS = "error-{}.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerTask:
    """What a started process is told: the request it plans again, and which pretraining to do."""

    tree: Mapping[str, Any]
    threads: int
    precision: str
    seed: int
    fold: int
    tables: tuple[tuple[str, str], ...]


def spawn(plan: Plan, errand: WorkerTask, folder: Path, watch: Callable[[TrainingStep], None]) -> None:
    """Start `train.devices` processes on one errand and wait; raises what the first of them raised."""
    for left in (folder / "moment.json", *folder.glob(ERRORS.format("*"))):
        left.unlink(missing_ok=True)
    write_atomically(folder / "errand.json", json.dumps(asdict(errand)).encode())
    torchrun = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={plan.train.devices}")
    with (folder / "ranks.log").open("wb") as log:
        program = [*environment.isolated_python(), *torchrun, "-m", PROGRAM, str(folder)]
        process = subprocess.Popen(program, stdout=log, stderr=log, env=environment.for_ranks(plan.threads))
        try:
            while process.poll() is None:
                time.sleep(TICK)
                show(folder, watch)
        finally:
            process.terminate()
            process.wait()
    if process.returncode:
        raise _error(folder, process.returncode)
    for done in ("moment.json", "errand.json", "ranks.log"):
        (folder / done).unlink(missing_ok=True)


def post(folder: Path) -> Callable[[TrainingStep], None]:
    """What the first process watches with: its moments go to a file, not too often."""
    last = [0.0]

    def watch(moment: TrainingStep) -> None:
        if environment.stopwatch() - last[0] >= TICK:
            last[0] = environment.stopwatch()
            write_atomically(folder / "moment.json", json.dumps(asdict(moment)).encode())

    return watch


def show(folder: Path, watch: Callable[[TrainingStep], None]) -> None:
    """Pass on the last moment that was posted."""
    path = folder / "moment.json"
    if path.exists():
        watch(TrainingStep(**json.loads(path.read_text())))


def report(folder: Path, rank: int, error: Exception) -> None:
    """Leave one process's error for the process that waits."""
    content = {"kind": type(error).__name__, "text": str(error)}
    if isinstance(error, Diverged):
        content |= {"step": str(error.step), "value": str(error.value)}
    write_atomically(folder / ERRORS.format(rank), json.dumps(content).encode())


def _error(folder: Path, code: int) -> Exception:
    """What went wrong first: who fails alone is told before whoever then missed him."""
    told = sorted(folder.glob(ERRORS.format("*")), key=lambda path: (path.stat().st_mtime_ns, path.name))
    if not told:
        log = folder / "ranks.log"
        return RuntimeError(f"the processes that share a step ended with {code} and left no error; they printed {log}")
    content = json.loads(told[0].read_text())
    if content["kind"] == "Diverged":
        return Diverged(int(content["step"]), float(content["value"]))
    return Unavailable(content["text"]) if content["kind"] == "Unavailable" else RuntimeError(content["text"])


def started_together() -> bool:
    """Whether torchrun or srun started several of us."""
    return environment.processes() > 1


def meet() -> None:
    """Join the processes that were started with this one."""
    if started_together() and not distributed.is_initialized():
        where = environment.cluster(environment.processes())
        distributed.init_process_group(
            environment.backend(), rank=where.global_rank(), world_size=where.world_size(), timeout=PATIENCE,
            init_method=f"tcp://{where.main_address}:{where.main_port}",
        )  # fmt: skip


def call(name: str, folder: Path) -> None:
    """Call the other processes, where there are any, into a pretraining."""
    if started_together():
        meet()
        distributed.broadcast_object_list([(name, str(folder))], src=0)


def part() -> None:
    """Leave together: a process that goes while another still talks to it may end in a crash of its threads."""
    if distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()


def vanish() -> None:
    """End this process now, its work done and on disk: threads of gloo may abort while an interpreter winds down."""
    with contextlib.suppress(RuntimeError):  # the others are done as well, whoever of them has gone already
        part()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def dismiss() -> None:
    """Let the other processes go."""
    if started_together():
        meet()
        distributed.broadcast_object_list([None], src=0)
        part()


def follow(join: Callable[[str, Path], None]) -> None:
    """Wait for calls and join each pretraining, until dismissed."""
    meet()
    while True:
        heard: list[Any] = [None]
        distributed.broadcast_object_list(heard, src=0)
        if heard[0] is None:
            part()
            return
        name, folder = heard[0]
        with contextlib.suppress(Exception):  # the first process met the same one, and records it
            join(name, Path(folder))
