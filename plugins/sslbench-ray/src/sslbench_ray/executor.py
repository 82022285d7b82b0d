"""Workers as tasks of a Ray cluster. A task that dies is tried again by Ray; one that ends too early, by us."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Callable, Sequence
from typing import Any

import ray

from sslbench import environment
from sslbench.api.errors import SslbenchError
from sslbench.api.executors import WorkerPool
from sslbench.execute.ray import RayConfig

TICK = 0.5


def run_worker(command: Sequence[str], number: int, threads: int) -> int:
    """What a task does: run the program; returns its exit code."""
    variables = {**os.environ, "OMP_NUM_THREADS": str(threads), **environment.APART}
    return subprocess.run([*command, str(number)], env=variables, check=False).returncode


class RayExecutor:
    """The executor."""

    def __init__(self, config: RayConfig) -> None:
        self.config = config

    def run(self, crew: WorkerPool, tick: Callable[[], bool], say: Callable[[str], None]) -> None:
        """Keep the tasks running until nothing is left; a local cluster ends with this call.

        Raises SslbenchError when a worker keeps ending while work is left.
        """
        config = self.config
        where: dict[str, Any] = {"address": config.address} if config.address else {"include_dashboard": False}
        if not config.address:
            where["num_cpus"] = max(os.cpu_count() or 1, config.workers * crew.threads)
        ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
        task = ray.remote(run_worker).options(num_cpus=crew.threads, num_gpus=config.gpus, max_retries=config.retries)
        running = {task.remote(crew.command, n, crew.threads): n for n in range(config.workers)}
        ends = dict.fromkeys(range(config.workers), 0)
        say(f"ray: {len(running)} tasks on {config.address or 'a local cluster'}")
        try:
            while tick():
                ended, _ = ray.wait(list(running), num_returns=1, timeout=TICK)
                for reference in ended:
                    number = running.pop(reference)
                    code = self._code(reference)
                    ends[number] += 1
                    if ends[number] > config.retries:
                        raise SslbenchError(f"ray: worker {number} ended {ends[number]} times; see {crew.folder}")
                    if tick():
                        say(f"ray: worker {number} ended with {code}; it is started again")
                        running[task.remote(crew.command, number, crew.threads)] = number
        finally:
            for reference in running:
                ray.cancel(reference, force=True)
            ray.shutdown()

    def _code(self, reference: Any) -> str:
        try:
            return f"code {ray.get(reference)}"
        except ray.exceptions.RayError as error:
            return type(error).__name__
