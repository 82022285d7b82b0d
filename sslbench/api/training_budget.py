"""How a protocol's training runs: its schedule, and what its minimums make of it for few rows. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

SMALLEST_BATCH = 8
"""Rows below which `Fit.min_batches` reduces no batch: batch norm needs several."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How `bench.fit` trains; with `augment` the views are changed in ways that the dataset says keep a label.

    min_steps: optimizer steps; `epochs` is raised until so many are taken, and `warmup` (epochs) keeps its share of them.
    min_batches: batches per epoch; `batch` is reduced until an epoch has so many, though not below 8 rows.
    """

    epochs: int
    batch_size: int
    lr: float
    optimizer: Literal["sgd", "adamw", "lars"] = "adamw"
    weight_decay: float = 0.0
    warmup_epochs: float = 0
    schedule: Literal["cosine", "one-cycle", "constant"] = "cosine"
    layer_decay: float = 1.0
    augment: bool = False
    min_steps: int = 0
    min_batches: int = 1

    def scale_to(self, rows: int) -> Fit:
        """Return the fit that so many rows get: a smaller batch and more epochs where its minimums ask for that."""
        batch = max(min(self.batch_size, rows // self.min_batches), min(self.batch_size, SMALLEST_BATCH))
        epochs = max(self.epochs, math.ceil(self.min_steps / max(1, rows // batch)))
        return replace(self, batch_size=batch, epochs=epochs, warmup_epochs=self.warmup_epochs * epochs / self.epochs)

    def count_samples(self, rows: int) -> int:
        """Return how many samples the fit of so many rows passes, over all its epochs."""
        fit = self.scale_to(rows)
        return fit.epochs * max(1, rows // fit.batch_size) * min(fit.batch_size, rows)

    def list_validation_epochs(self, rows: int) -> tuple[int, ...]:
        """Return the epochs after which so many rows are validated: as many as were asked for, spread over all there are."""
        epochs = self.scale_to(rows).epochs
        return tuple(round(epochs * place / self.epochs) for place in range(1, self.epochs + 1))
