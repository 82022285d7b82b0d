"""Spec of the Slurm executor. The implementation is in `executor`."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sslbench.api import (
    Citation,
    ExecutorSpec,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveInt,
    hookimpl,
    setting,
    setting_from,
)

COMMANDS = ("srun", "sbatch", "squeue", "scancel")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmConfig:
    """Settings of a job array."""

    workers: PositiveInt = setting(4, "Jobs of the array; each uses the threads that the study plans.")
    partition: str = setting("", "Partition of the cluster ('': the cluster's default).")
    minutes: PositiveInt = setting(60, "Time limit of a job; a job that reaches it is queued again and continues.")
    gpus: NonNegativeInt = setting(0, "GPUs of a job.")
    memory_gb: NonNegativeFloat = setting(0.0, "Memory of a job in GB (0: the cluster's default).")
    options: Mapping[str, str | int | float] = setting_from(
        dict, "Further sbatch settings, such as {account: ocean, qos: long}."
    )


def missing() -> str:
    """Return which of Slurm's commands this machine lacks, in one line; '' if none."""
    absent = [command for command in COMMANDS if shutil.which(command) is None]
    if not absent:
        return ""
    return (
        f"--executor slurm: {', '.join(absent)} not found on this machine. "
        "Run the study on a machine from which jobs are submitted to the cluster"
    )


@hookimpl
def sslbench_executors() -> Iterable[ExecutorSpec[SlurmConfig]]:
    yield ExecutorSpec(
        name="slurm",
        version=1,
        summary="a job array on a Slurm cluster, through submitit; preempted jobs continue where they stopped",
        citation=Citation(
            title="submitit",
            authors="Facebook Research",
            year=2018,
            url="https://github.com/facebookincubator/submitit",
        ),
        config=SlurmConfig,
        smoke=SlurmConfig(workers=1),
        build="sslbench_slurm.executor:Slurm",
        missing=missing,
    )
