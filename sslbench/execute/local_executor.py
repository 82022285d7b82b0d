"""Worker processes on this machine. One that dies while work is left is started again."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from sslbench import environment
from sslbench.api.errors import SslbenchError
from sslbench.api.executors import WorkerPool
from sslbench.execute.local import LocalConfig

TICK = 0.5
STARTS = 50
"""A worker is started so often at most; what kills it each time is in its log."""


class Local:
    """The executor."""

    def __init__(self, config: LocalConfig) -> None:
        self.config = config

    def run(self, crew: WorkerPool, tick: Callable[[], bool], say: Callable[[str], None]) -> None:
        """Keep the workers running until nothing is left; they end with this process.

        Raises SslbenchError when a worker keeps dying.
        """
        gpus = environment.gpus()
        count = self.config.workers or gpus or max(1, environment.cores() // crew.threads)
        workers = {number: _start(crew, number, gpus) for number in range(count)}
        starts = dict.fromkeys(workers, 1)
        try:
            while tick():
                time.sleep(TICK)
                for number, worker in workers.items():
                    code = worker.poll()
                    if code is None or not tick():
                        continue
                    if starts[number] >= STARTS:
                        raise SslbenchError(f"worker {number} ended {STARTS} times; see {_log(crew, number)}")
                    if code != 0:
                        say(f"worker {number} ended with code {code}; it is started again")
                    workers[number] = _start(crew, number, gpus)
                    starts[number] += 1
        finally:
            for worker in workers.values():
                worker.terminate()
            for worker in workers.values():
                worker.wait()


def _start(crew: WorkerPool, number: int, gpus: int) -> subprocess.Popen[bytes]:
    """Start one worker, with its threads and, where there are any, one of the GPUs in turn."""
    variables = {**os.environ, **crew.variables}
    if gpus:
        variables["CUDA_VISIBLE_DEVICES"] = environment.gpu_names()[number % gpus]
    crew.folder.mkdir(parents=True, exist_ok=True)
    with _log(crew, number).open("ab") as log:
        return subprocess.Popen([*crew.command, str(number)], env=variables, stdout=log, stderr=log)


def _log(crew: WorkerPool, number: int) -> Path:
    return crew.folder / f"worker-{number}.log"
