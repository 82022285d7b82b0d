"""Where results lie: stages by kind and key, runs by name. Runs that share a store share stages."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sslbench import environment

PREDICTIONS, ASSIGNMENTS, CHOICES = "predictions.parquet", "assignments.parquet", "choices.json"
"""Files of an evaluation, a run and a submission: answers to test samples, clusters, and what was chosen among what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """One `--out` folder, and the folder of prepared data, which all outputs of a user share."""

    root: Path
    prepared: Path = field(default_factory=lambda: environment.places().data / "prepared")

    def stage(self, kind: str, key: str) -> Path:
        """Where a stage's output lies, or will."""
        return self.root / "stages" / kind / key

    def run(self, name: str) -> Path:
        """A run's own folder."""
        return self.root / name

    def study(self, name: str) -> Path:
        """A study's own folder."""
        return self.root / "studies" / name
