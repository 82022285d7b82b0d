"""Define the spec and the interface of executors, which run the workers of a study. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sslbench.api.renamed import missing_name
from sslbench.api.specs import C, Spec


def always_available() -> str:
    """Return '': the executor can run on every machine."""
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSpec(Spec[C]):
    """Place where the workers of a study run.

    missing: called before anything runs; returns in one line what this machine lacks, such as a cluster's commands, or ''.
        Python packages are dependencies of the plugin's distribution instead.
    """

    build: str | Callable[[C], Executor]
    missing: Callable[[], str] = always_available


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPool:
    """Workers that an executor starts.

    command: program of a worker; its number is appended. A worker runs until no work is left, and may be stopped and
        restarted at any time.
    threads: cores that a worker needs.
    folder: folder for logs; all workers must see it under the same path.
    variables: environment variables to add to those of the worker's machine.
    python: command of an interpreter for the executor's own programs on the same machines; it imports no module from the
        working folder.
    """

    command: tuple[str, ...]
    threads: int
    folder: Path
    variables: Mapping[str, str]
    python: tuple[str, ...]


class Executor(Protocol):
    """Interface that starts workers and waits for them."""

    def run(self, pool: WorkerPool, poll: Callable[[], bool], log: Callable[[str], None]) -> None:
        """Keep workers running until `poll` returns False; call it about twice a second.

        Restart a worker that ends while work is left, a limited number of times. `log` prints one line for the user.
        """
        ...


if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        raise missing_name(__name__, name)
