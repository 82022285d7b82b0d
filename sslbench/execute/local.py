"""Define the spec of the local executor; `local_executor` implements it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sslbench.api import Citation, ExecutorSpec, NonNegativeInt, hookimpl, setting

CITATION = Citation(
    title="subprocess, in the Python standard library",
    authors="Python Software Foundation",
    year=2004,
    url="https://docs.python.org/3/library/subprocess.html",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalConfig:
    """Settings of the local executor."""

    workers: NonNegativeInt = setting(0, "Number of worker processes. 0: one per GPU, or as many as the cores allow.")


@hookimpl
def sslbench_executors() -> Iterable[ExecutorSpec[LocalConfig]]:
    yield ExecutorSpec(
        name="local",
        version=1,
        summary="several processes on this machine, each with some of its cores or one of its GPUs",
        citation=CITATION,
        config=LocalConfig,
        smoke=LocalConfig(workers=1),
        build="sslbench.execute.local_executor:Local",
    )
