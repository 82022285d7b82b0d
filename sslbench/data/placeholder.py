"""Replace a missing dataset by a placeholder with the facts of its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api.errors import DataMissing
from sslbench.api.specs import DatasetCard
from sslbench.api.targets import kind_of
from sslbench.api.values import Target

DEFAULT_SAMPLES = 1000
"""Samples of a missing dataset whose card gives no count."""


class PlaceholderDataset:
    """A missing dataset with the sizes and classes of its card, of which no sample can be read."""

    def __init__(self, card: DatasetCard, part: str) -> None:
        counts = dict(card.counts.get(part, {})) or _equal_counts(*card.totals.get(part, (0, 0)))
        self.modalities = card.modalities
        self.target = Target(kind=card.target, names=tuple(counts))
        self.labels = kind_of(self.target).lay_out(counts, card.totals.get(part, (0, 0))[0])
        names = np.arange(len(self.labels)).astype(np.str_)
        self.columns: Mapping[str, NDArray[np.str_]] = dict.fromkeys(("id", *card.groups), names)
        self.title = f"{card.source} {part}"

    def contents(self) -> Sequence[str]:
        """Return digests that no other dataset has."""
        return [f"{self.title} {row}" for row in self.columns["id"]]

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """Raise DataMissing."""
        raise DataMissing("this dataset is missing; only the facts of its card are known")

    def fingerprint(self) -> str:
        """Return the same text for all missing datasets."""
        return "missing"


def _equal_counts(samples: int, classes: int) -> Mapping[str, int]:
    """Return equal counts for classes of which only the totals are known (0: unknown)."""
    number = max(classes, 1)
    return {f"class {place}": max(1, (samples or DEFAULT_SAMPLES) // number) for place in range(number)}
