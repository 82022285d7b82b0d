"""Where the workers of a study run: what a plugin says of such a place, and what is asked of it. No torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sslbench.api.renamed import missing_name
from sslbench.api.specs import C, Spec


def nothing_missing() -> str:
    """Need nothing that is not installed."""
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutorSpec(Spec[C]):
    """Where the workers of a study run. `missing` says in one sentence what must be installed first, if anything."""

    build: str | Callable[[C], Executor]
    missing: Callable[[], str] = nothing_missing


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPool:
    """The workers that an executor is asked for.

    Each is the program `command` with its number added; it needs `threads` cores, works until nothing is left, and may be
    ended and started again at any moment. `folder` is for logs; all workers must see it under the same path.
    """

    command: tuple[str, ...]
    threads: int
    folder: Path


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
