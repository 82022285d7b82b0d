"""Stand in for a dataset that is missing, by what its card says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api.errors import DataMissing
from sslbench.api.specs import DatasetCard
from sslbench.api.values import Target

DEFAULT_SAMPLES = 1000
"""Rows of a missing dataset whose card gives no count."""


class PlaceholderDataset:
    """A dataset that is not here, as its card announces it: sizes and classes, and nothing to read."""

    def __init__(self, card: DatasetCard, part: str) -> None:
        counts = dict(card.counts.get(part, {})) or _equal_counts(*card.totals.get(part, (0, 0)))
        self.modalities = card.modalities
        self.target = Target(kind="class", names=tuple(counts))
        self.labels: NDArray[np.int64] = np.repeat(np.arange(len(counts)), list(counts.values()))
        names = np.arange(len(self.labels)).astype(np.str_)
        self.columns: Mapping[str, NDArray[np.str_]] = dict.fromkeys(("id", *card.groups), names)
        self.named = f"{card.source} {part}"

    def contents(self) -> Sequence[str]:
        """Nothing that anything else holds."""
        return [f"{self.named} {row}" for row in self.columns["id"]]

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """Raise DataMissing."""
        raise DataMissing("this dataset is only announced")

    def fingerprint(self) -> str:
        """The same for all that is missing."""
        return "missing"


def _equal_counts(samples: int, classes: int) -> Mapping[str, int]:
    """Classes of one size, of which only the totals are known (0: not even those)."""
    number = max(classes, 1)
    return {f"class {place}": max(1, (samples or DEFAULT_SAMPLES) // number) for place in range(number)}
