"""Spec of the Ray executor. The implementation is in `executor`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sslbench.api import Citation, ExecutorSpec, NonNegativeFloat, NonNegativeInt, PositiveInt, hookimpl, setting


@dataclass(frozen=True, slots=True, kw_only=True)
class RayConfig:
    """Settings of tasks on a Ray cluster."""

    address: str = setting("", "Address of the cluster ('': a local cluster of this machine's cores).")
    workers: PositiveInt = setting(2, "Number of workers.")
    gpus: NonNegativeFloat = setting(0.0, "GPUs of a worker; a fraction lets several workers share one.")
    retries: NonNegativeInt = setting(20, "Number of times that a worker is started again if it ends too early.")


@hookimpl
def sslbench_executors() -> Iterable[ExecutorSpec[RayConfig]]:
    yield ExecutorSpec(
        name="ray",
        version=1,
        summary="tasks of a Ray cluster, an existing one by address or a local one; fractions of a GPU",
        citation=Citation(
            title="Ray: A Distributed Framework for Emerging AI Applications",
            authors="Moritz et al.",
            year=2018,
            url="https://arxiv.org/abs/1712.05889",
        ),
        config=RayConfig,
        smoke=RayConfig(workers=1),
        build="sslbench_ray.executor:RayExecutor",
    )
