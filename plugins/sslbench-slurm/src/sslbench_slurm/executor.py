"""Workers as jobs of a Slurm cluster: a job array through submitit. Jobs that end while work is left are sent again.

Needs nothing of a job but that it runs: what is done, and by whom, the study's folder says.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Sequence
from typing import Any

import submitit
from submitit.helpers import DelayedSubmission

from sslbench import environment
from sslbench.api.errors import SslbenchError
from sslbench.api.executors import WorkerPool
from sslbench.execute.slurm import SlurmConfig

TICK, LOOK = 1.0, 5.0
"""Seconds between two ticks, and between two looks at the queue."""
ROUNDS = 20
"""A worker is sent so often at most."""


class Worker:
    """What a job does: run the program. Submitit calls `checkpoint` before a time limit or a preemption."""

    def __call__(self, command: Sequence[str], number: int, threads: int) -> int:
        """Run one worker; returns its exit code."""
        variables = {**os.environ, "OMP_NUM_THREADS": str(threads), **environment.APART}
        return subprocess.run([*command, str(number)], env=variables, check=False).returncode

    def checkpoint(self, *arguments: Any) -> DelayedSubmission:
        """Queue the same worker again: it goes on from the study's folder."""
        return DelayedSubmission(self, *arguments)


def in_queue() -> set[str] | None:
    """Every job of an array that Slurm knows as waiting or running; None when it does not answer.

    The queue is asked, not the accounting that submitit asks: small clusters have none.
    """
    asked = subprocess.run(
        ["squeue", "--noheader", "--array", "--format=%F_%K"], capture_output=True, text=True, check=False
    )
    if asked.returncode:
        return None
    return {job.removesuffix("_N/A") for job in asked.stdout.split()}  # a job of no array has no place in one


class Slurm:
    """The executor."""

    def __init__(self, config: SlurmConfig) -> None:
        self.config = config

    def run(self, crew: WorkerPool, tick: Callable[[], bool], say: Callable[[str], None]) -> None:
        """Send a job array, and single jobs for those that ended too early; cancels what is left at the end.

        Raises SslbenchError when jobs keep ending while work is left.
        """
        python = shlex.join(environment.isolated_python())
        executor = submitit.SlurmExecutor(folder=crew.folder / "slurm", max_num_timeout=ROUNDS, python=python)
        executor.update_parameters(**self._parameters(crew))
        numbers = range(self.config.workers)
        try:
            jobs = dict(zip(numbers, self._send(executor, crew, numbers), strict=True))
        except (submitit.core.utils.FailedJobError, OSError) as error:
            line = " ".join(str(error).split())
            raise SslbenchError(f"slurm: no job could be sent: {line}; does 'sinfo' answer on this machine?") from error
        sent = dict.fromkeys(numbers, 1)
        say(f"slurm: {len(jobs)} jobs sent, {', '.join(job.job_id for job in jobs.values())}; logs in {crew.folder}")
        looked = time.monotonic()
        try:
            while tick():
                time.sleep(TICK)
                if time.monotonic() - looked < LOOK:
                    continue
                looked = time.monotonic()
                queued = in_queue()
                for number in [n for n, job in jobs.items() if queued is not None and job.job_id not in queued]:
                    if not tick():
                        break
                    if sent[number] >= ROUNDS:
                        raise SslbenchError(f"slurm: job {jobs[number].job_id} ended {ROUNDS} times; see {crew.folder}")
                    say(f"slurm: job {jobs[number].job_id} ended too early; it is sent again")
                    jobs[number] = self._send(executor, crew, [number])[0]
                    sent[number] += 1
        finally:
            for job in jobs.values():
                job.cancel(check=False)

    def _send(self, executor: Any, crew: WorkerPool, numbers: Sequence[int]) -> list[Any]:
        count = len(numbers)
        sent: list[Any] = executor.map_array(Worker(), [crew.command] * count, numbers, [crew.threads] * count)
        return sent

    def _parameters(self, crew: WorkerPool) -> dict[str, Any]:
        """What submitit is told, in its own words."""
        config = self.config
        wanted: dict[str, Any] = {"job_name": "sslbench", "time": config.minutes, "cpus_per_task": crew.threads}
        if config.partition:
            wanted["partition"] = config.partition
        if config.gpus:
            wanted["gpus_per_node"] = config.gpus
        if config.memory_gb:
            wanted["mem"] = f"{config.memory_gb:g}GB"
        # a step of srun's is what Slurm signals before a time limit or a preemption; it inherits no count of cores
        step = ["--cpus-per-task", str(crew.threads)]
        return {**wanted, "additional_parameters": dict(config.options), "srun_args": step}
