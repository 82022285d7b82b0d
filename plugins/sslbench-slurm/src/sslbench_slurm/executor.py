"""Slurm executor: a job array through submitit. Jobs that end while work is left are submitted again.

What is done, and which worker did it, is read from the study's folder, not from the jobs.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import submitit
from submitit.helpers import DelayedSubmission

from sslbench.api import SslbenchError, WorkerPool
from sslbench_slurm.spec import SlurmConfig

TICK_SECONDS = 1.0
QUEUE_SECONDS = 5.0
"""Time between two requests for the queue."""
MAX_SUBMISSIONS = 20
"""Maximum number of submissions of one worker."""


class Worker:
    """Program of a job. Submitit calls `checkpoint` before a time limit or a preemption."""

    def __call__(self, command: Sequence[str], number: int, variables: Mapping[str, str]) -> int:
        """Run one worker and return its exit code."""
        environment = {**os.environ, **variables}
        return subprocess.run([*command, str(number)], env=environment, check=False).returncode

    def checkpoint(self, *arguments: Any) -> DelayedSubmission:
        """Queue the same worker again; it continues from the study's folder."""
        return DelayedSubmission(self, *arguments)


def in_queue() -> set[str] | None:
    """Return the IDs of all waiting and running array jobs; None if Slurm does not answer.

    Submitit uses Slurm's accounting instead, which small clusters lack.
    """
    result = subprocess.run(
        ["squeue", "--noheader", "--array", "--format=%F_%K"], capture_output=True, text=True, check=False
    )
    if result.returncode:
        return None
    return {job.removesuffix("_N/A") for job in result.stdout.split()}  # a job outside arrays has no array index


class Slurm:
    """Executor that runs each worker as a job of a Slurm cluster."""

    def __init__(self, config: SlurmConfig) -> None:
        self.config = config

    def run(self, crew: WorkerPool, tick: Callable[[], bool], say: Callable[[str], None]) -> None:
        """Submit a job array, and single jobs in place of those that ended too early; cancel what is left at the end.

        Raises SslbenchError if jobs keep ending while work is left.
        """
        executor = submitit.SlurmExecutor(
            folder=crew.folder / "slurm", max_num_timeout=MAX_SUBMISSIONS, python=shlex.join(crew.python)
        )
        executor.update_parameters(**self._parameters(crew))
        numbers = range(self.config.workers)
        try:
            jobs = dict(zip(numbers, _submit(executor, crew, numbers), strict=True))
        except (submitit.core.utils.FailedJobError, OSError) as error:
            line = " ".join(str(error).split())
            raise SslbenchError(
                f"--executor slurm: no job could be submitted: {line}. Check that 'sinfo' answers on this machine"
            ) from error
        submissions = dict.fromkeys(numbers, 1)
        say(
            f"slurm: {len(jobs)} jobs submitted, {', '.join(job.job_id for job in jobs.values())}; logs in {crew.folder}"
        )
        last_query = time.monotonic()
        try:
            while tick():
                time.sleep(TICK_SECONDS)
                if time.monotonic() - last_query < QUEUE_SECONDS:
                    continue
                last_query = time.monotonic()
                queued = in_queue()
                for number in [n for n, job in jobs.items() if queued is not None and job.job_id not in queued]:
                    if not tick():
                        break
                    job = jobs[number].job_id
                    if submissions[number] >= MAX_SUBMISSIONS:
                        raise SslbenchError(
                            f"--executor slurm: job {job} ended {MAX_SUBMISSIONS} times. Read the logs in {crew.folder}"
                        )
                    say(f"slurm: job {job} ended too early; it is submitted again")
                    jobs[number] = _submit(executor, crew, [number])[0]
                    submissions[number] += 1
        finally:
            for one in jobs.values():
                one.cancel(check=False)

    def _parameters(self, crew: WorkerPool) -> dict[str, Any]:
        """Return the parameters of submitit."""
        config = self.config
        wanted: dict[str, Any] = {"job_name": "sslbench", "time": config.minutes, "cpus_per_task": crew.threads}
        if config.partition:
            wanted["partition"] = config.partition
        if config.gpus:
            wanted["gpus_per_node"] = config.gpus
        if config.memory_gb:
            wanted["mem"] = f"{config.memory_gb:g}GB"
        # Slurm signals a step of srun before a time limit or a preemption; the step inherits no number of cores
        step = ["--cpus-per-task", str(crew.threads)]
        return {**wanted, "additional_parameters": dict(config.options), "srun_args": step}


def _submit(executor: Any, crew: WorkerPool, numbers: Sequence[int]) -> list[Any]:
    """Submit the workers with these numbers; return their jobs."""
    count = len(numbers)
    jobs: list[Any] = executor.map_array(Worker(), [crew.command] * count, numbers, [dict(crew.variables)] * count)
    return jobs
