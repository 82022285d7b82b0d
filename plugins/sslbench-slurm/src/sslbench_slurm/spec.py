"""Jobs of a Slurm cluster, as a spec. The implementation is `slurm_executor`."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sslbench.api import Citation, ExecutorSpec, NonNegativeFloat, NonNegativeInt, PositiveInt, hookimpl


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmConfig:
    """One job array of `workers` jobs, each with the threads that the study plans.

    `minutes` is a job's time limit: a job that reaches it, or is preempted, is queued again and goes on from the last
    checkpoint. `options` holds any further sbatch setting, such as {account: ocean, qos: long}.
    """

    workers: PositiveInt = 4
    partition: str = ""
    minutes: PositiveInt = 60
    gpus: NonNegativeInt = 0
    memory_gb: NonNegativeFloat = 0.0
    options: Mapping[str, str | int | float] = field(default_factory=dict)


def missing() -> str:
    """Say what must be installed first."""
    if importlib.util.find_spec("submitit") is None:
        return "--executor slurm needs submitit, which is not installed; install it with: pip install 'sslbench[slurm]'"
    return ""


@hookimpl
def sslbench_executors() -> Iterable[ExecutorSpec[SlurmConfig]]:
    yield ExecutorSpec(
        name="slurm",
        version=1,
        summary="a job array on a Slurm cluster, through submitit; preempted jobs go on where they stopped",
        citation=Citation(
            title="submitit",
            authors="Facebook Research",
            year=2018,
            url="https://github.com/facebookincubator/submitit",
        ),
        config=SlurmConfig,
        smoke=SlurmConfig(workers=1),
        build="sslbench.execute.slurm_executor:Slurm",
        missing=missing,
    )
