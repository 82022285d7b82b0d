"""Tasks of a Ray cluster, as a spec. The implementation is `ray_executor`."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass

from sslbench.api import Citation, ExecutorSpec, NonNegativeFloat, NonNegativeInt, PositiveInt, hookimpl


@dataclass(frozen=True, slots=True, kw_only=True)
class RayConfig:
    """A cluster's address ('': a local cluster of this machine's cores), how many workers, and what each takes.

    `gpus` may be a fraction, so that several workers share a GPU. A worker that dies is tried again `retries` times.
    """

    address: str = ""
    workers: PositiveInt = 2
    gpus: NonNegativeFloat = 0.0
    retries: NonNegativeInt = 20


def missing() -> str:
    """Say what must be installed first."""
    if importlib.util.find_spec("ray") is None:
        return "--executor ray needs ray, which is not installed; install it with: pip install 'sslbench[ray]'"
    return ""


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
        build="sslbench.execute.ray_executor:RayExecutor",
        missing=missing,
    )
