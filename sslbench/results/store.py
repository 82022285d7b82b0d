"""Locate results: stages by kind and key, runs by name. Runs in one store share stages."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sslbench import environment

PREDICTIONS, ASSIGNMENTS, CHOICES = "predictions.parquet", "assignments.parquet", "choices.json"
VECTORS = "vector_predictions.parquet"
"""Predictions of several labels or numbers per sample: columns 'label' and 'predicted' are lists of numbers."""
"""Files of an evaluation, a run and a submission: answers to test samples, clusters, and choices of settings."""
SAMPLES = "samples.parquet"
"""Columns of a run's test samples, such as plate or instrument; see `sslbench.results.sample_columns`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """One `--out` folder, and the folder of prepared data, which all output folders share."""

    root: Path
    prepared: Path = field(default_factory=lambda: environment.places().data / "prepared")

    def stage(self, kind: str, key: str) -> Path:
        """Return the folder of a stage's output, which may not exist."""
        return self.root / "stages" / kind / key

    def run(self, name: str) -> Path:
        """Return the folder of a run."""
        return self.root / name

    def study(self, name: str) -> Path:
        """Return the folder of a study."""
        return self.root / "studies" / name
