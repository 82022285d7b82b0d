"""Run worker processes on this machine, and restart workers that end while work is left."""

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

POLL_SECONDS = 0.5
MAX_STARTS = 50
"""Limit on the starts of a worker; its log shows why it ends."""


class Local:
    """Executor that runs workers as processes on this machine."""

    def __init__(self, config: LocalConfig) -> None:
        self.config = config

    def run(self, pool: WorkerPool, poll: Callable[[], bool], log: Callable[[str], None]) -> None:
        """Keep the workers running until no work is left; they end with this process.

        Raises SslbenchError if a worker ended MAX_STARTS times.
        """
        gpus = environment.count_gpus()
        count = self.config.workers or gpus or max(1, environment.count_cores() // pool.threads)
        workers = {number: _start(pool, number, gpus) for number in range(count)}
        starts = dict.fromkeys(workers, 1)
        try:
            while poll():
                time.sleep(POLL_SECONDS)
                for number, worker in workers.items():
                    code = worker.poll()
                    if code is None or not poll():
                        continue
                    if starts[number] >= MAX_STARTS:
                        raise SslbenchError(
                            f"--executor local: worker {number} ended {MAX_STARTS} times. Read {_log_file(pool, number)}"
                        )
                    if code != 0:
                        log(f"worker {number} ended with exit code {code} and is restarted")
                    workers[number] = _start(pool, number, gpus)
                    starts[number] += 1
        finally:
            for worker in workers.values():
                worker.terminate()
            for worker in workers.values():
                worker.wait()


def _start(pool: WorkerPool, number: int, gpus: int) -> subprocess.Popen[bytes]:
    """Start one worker; GPUs, if any, are assigned in turn."""
    variables = {**os.environ, **pool.variables}
    if gpus:
        variables["CUDA_VISIBLE_DEVICES"] = environment.gpu_names()[number % gpus]
    pool.folder.mkdir(parents=True, exist_ok=True)
    with _log_file(pool, number).open("ab") as log:
        return subprocess.Popen([*pool.command, str(number)], env=variables, stdout=log, stderr=log)


def _log_file(pool: WorkerPool, number: int) -> Path:
    return pool.folder / f"worker-{number}.log"
