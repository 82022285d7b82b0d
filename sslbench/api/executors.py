"""Executors, which run the workers of a study: their spec, and what an executor receives. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sslbench.api.renamed import missing_name
from sslbench.api.specs import C, Spec


def nothing_missing() -> str:
    """Return '': the executor can run on every machine."""
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSpec(Spec[C]):
    """Place where the workers of a study run.

    `missing` states in one line what this machine lacks for it, such as a cluster's commands; '' if nothing. It is called
    before anything runs. Python packages are dependencies of the plugin's distribution instead.
    """

    build: str | Callable[[C], Executor]
    missing: Callable[[], str] = nothing_missing


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPool:
    """Workers that an executor starts.

    A worker is the program `command` with its number appended, in the environment of its machine plus `variables`. It
    needs `threads` cores, works until nothing is left, and may be ended and started again at any moment. Logs belong in
    `folder`; all workers must see it under the same path. `python` is the command of an interpreter for programs of the
    executor's own on the same machines: it imports no module from the working folder.
    """

    command: tuple[str, ...]
    threads: int
    folder: Path
    variables: Mapping[str, str]
    python: tuple[str, ...]


class Executor(Protocol):
    """Starts workers and waits for them. Knows nothing of what they do."""

    def run(self, crew: WorkerPool, tick: Callable[[], bool], say: Callable[[str], None]) -> None:
        """Keep workers running until `tick`, called about twice a second, says that nothing is left to do.

        A worker that ends while work is left is started again, in reason. `say` tells the user one line.
        """
        ...


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise missing_name(__name__, name)
