"""Several processes on this machine, as a spec. The implementation is `local_executor`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sslbench.api import Citation, ExecutorSpec, NonNegativeInt, hookimpl

CITATION = Citation(
    title="subprocess, in the Python standard library",
    authors="Python Software Foundation",
    year=2004,
    url="https://docs.python.org/3/library/subprocess.html",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalConfig:
    """How many worker processes (0: as many as the cores allow, or one for each GPU), each with its share of either."""

    workers: NonNegativeInt = 0


@hookimpl
def sslbench_executors() -> Iterable[ExecutorSpec[LocalConfig]]:
    yield ExecutorSpec(
        name="local",
        version=1,
        summary="several processes on this machine, each with its share of cores or of the GPUs",
        citation=CITATION,
        config=LocalConfig,
        smoke=LocalConfig(workers=1),
        build="sslbench.execute.local_executor:Local",
    )
