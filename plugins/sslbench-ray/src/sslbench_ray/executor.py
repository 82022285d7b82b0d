"""Ray executor: workers as tasks. Ray retries a task whose process dies; the executor one that ends too early."""

from __future__ import annotations

import logging
import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ray

from sslbench.api import SslbenchError, WorkerPool
from sslbench_ray.spec import RayConfig

TICK_SECONDS = 0.5


def run_worker(command: Sequence[str], number: int, variables: Mapping[str, str], log: Path) -> int:
    """Run one worker in a task, with its output appended to `log`; return its exit code."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        return subprocess.run(
            [*command, str(number)], env={**os.environ, **variables}, stdout=file, stderr=file, check=False
        ).returncode


class RayExecutor:
    """Executor that runs each worker as a task of a Ray cluster."""

    def __init__(self, config: RayConfig) -> None:
        self.config = config

    def run(self, crew: WorkerPool, tick: Callable[[], bool], say: Callable[[str], None]) -> None:
        """Keep the tasks running until nothing is left; a local cluster ends with this call.

        Raises SslbenchError if a worker keeps ending while work is left.
        """
        config = self.config
        where: dict[str, Any] = {"address": config.address} if config.address else {"include_dashboard": False}
        if not config.address:
            where["num_cpus"] = max(os.cpu_count() or 1, config.workers * crew.threads)
        ray.init(**where, log_to_driver=False, logging_level=logging.ERROR)
        task = ray.remote(run_worker).options(num_cpus=crew.threads, num_gpus=config.gpus, max_retries=config.retries)

        def start(number: int) -> Any:
            return task.remote(crew.command, number, dict(crew.variables), _log(crew, number))

        running = {start(number): number for number in range(config.workers)}
        ends = dict.fromkeys(range(config.workers), 0)
        say(f"ray: {len(running)} tasks on {config.address or 'a local cluster'}")
        try:
            while tick():
                ended, _ = ray.wait(list(running), num_returns=1, timeout=TICK_SECONDS)
                for reference in ended:
                    number = running.pop(reference)
                    code = _exit_code(reference)
                    ends[number] += 1
                    if ends[number] > config.retries:
                        raise SslbenchError(
                            f"--executor ray: worker {number} ended {ends[number]} times, at last with {code}. "
                            f"Read {_log(crew, number)}"
                        )
                    if tick():
                        say(f"ray: worker {number} ended with {code}; it is started again")
                        running[start(number)] = number
        finally:
            for reference in running:
                ray.cancel(reference, force=True)
            ray.shutdown()


def _log(crew: WorkerPool, number: int) -> Path:
    return crew.folder / f"worker-{number}.log"


def _exit_code(reference: Any) -> str:
    """Return how a task ended, in words: the exit code of its worker, or Ray's error."""
    try:
        return f"code {ray.get(reference)}"
    except ray.exceptions.RayError as error:
        return type(error).__name__
