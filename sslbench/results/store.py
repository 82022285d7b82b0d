"""Where results lie: stages by key, runs by name. A stage appears whole or not at all, and is made once.

A stage's half-made folder keeps its name, so that a killed one goes on from the checkpoint inside.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sslbench import environment
from sslbench.api.files import write_atomically
from sslbench.data.prepare import locked

DONE = "stage.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """One `--out` folder: runs that share it share stages."""

    root: Path

    def stage(self, kind: str, key: str) -> Path:
        """Where a stage's output lies, or will."""
        return self.root / "stages" / kind / key

    def finished(self, kind: str, key: str) -> bool:
        """Whether a stage's output is there, whole."""
        return (self.stage(kind, key) / DONE).exists()

    def produce(self, kind: str, key: str, make: Callable[[Path], Any]) -> Path:
        """Make a stage unless it is there; `make` fills a folder that may hold an interrupted attempt's checkpoint."""
        final = self.stage(kind, key)
        if self.finished(kind, key):
            return final
        with locked(final.with_name(f"{key}.lock")):
            if self.finished(kind, key):
                return final
            scratch = final.with_name(f".{key}.part")
            scratch.mkdir(parents=True, exist_ok=True)
            started = environment.stopwatch()
            make(scratch)
            cost = {"seconds": round(environment.stopwatch() - started, 3), "peak_memory": environment.peak_memory()}
            for checkpoint in scratch.glob("*.checkpoint"):
                checkpoint.unlink()
            write_atomically(scratch / DONE, json.dumps(cost).encode())
            shutil.rmtree(final, ignore_errors=True)
            scratch.replace(final)
        final.with_name(f"{key}.lock").unlink(missing_ok=True)
        return final

    def cost(self, kind: str, key: str) -> dict[str, Any]:
        """What making a stage cost."""
        cost: dict[str, Any] = json.loads((self.stage(kind, key) / DONE).read_text())
        return cost

    def run(self, name: str) -> Path:
        """A run's own folder."""
        return self.root / name
