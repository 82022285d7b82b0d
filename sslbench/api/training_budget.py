"""Describe the training of a protocol, and adapt it to small training sets. Imports no torch."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

SMALLEST_BATCH = 8
"""Smallest batch size that `Fit.min_batches` can cause; batch norm needs several samples."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Settings of a training by `Bench.fit`.

    augment: whether views are augmented by the dataset's label-preserving augmentation.
    min_steps: minimum of optimizer steps; `epochs` is raised to reach it, and `warmup_epochs` in proportion.
    min_batches: minimum of batches per epoch; `batch_size` is reduced to reach it, but not below 8.
    """

    epochs: int
    batch_size: int
    lr: float
    optimizer: Literal["sgd", "adam", "adamw", "lars"] = "adamw"
    weight_decay: float = 0.0
    warmup_epochs: float = 0
    schedule: Literal["cosine", "linear", "one-cycle", "constant"] = "cosine"
    layer_decay: float = 1.0
    augment: bool = False
    min_steps: int = 0
    min_batches: int = 1

    def scale_to(self, rows: int) -> Fit:
        """Return the fit for a number of rows: smaller batches and more epochs where the minimums require it."""
        batch = max(min(self.batch_size, rows // self.min_batches), min(self.batch_size, SMALLEST_BATCH))
        epochs = max(self.epochs, math.ceil(self.min_steps / max(1, rows // batch)))
        return replace(self, batch_size=batch, epochs=epochs, warmup_epochs=self.warmup_epochs * epochs / self.epochs)

    def count_samples(self, rows: int) -> int:
        """Return the number of samples that a fit on `rows` samples processes over all epochs."""
        fit = self.scale_to(rows)
        return fit.epochs * max(1, rows // fit.batch_size) * min(fit.batch_size, rows)

    def list_validation_epochs(self, rows: int) -> tuple[int, ...]:
        """Return the epochs after which a fit validates: `self.epochs` of them, evenly spread."""
        epochs = self.scale_to(rows).epochs
        return tuple(round(epochs * number / self.epochs) for number in range(1, self.epochs + 1))
