"""Generate random samples of given sizes, for timing a few steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api.targets import kind_of
from sslbench.api.values import Modality, Target


class SyntheticDataset:
    """Random samples of given shapes, for training a few steps. Each is a group of its own."""

    def __init__(self, modalities: Mapping[str, Modality], target: Target, rows: int, groups: Sequence[str]) -> None:
        self.modalities = modalities
        self.target = replace(target, names=target.names[: max(1, rows // 10)])
        self.labels = kind_of(target).generate(rows, self.target.names)
        self.columns: Mapping[str, NDArray[np.str_]] = dict.fromkeys(("id", *groups), np.arange(rows).astype(np.str_))

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """Return noise of the modalities' shapes, and 0 for their facts."""
        samples = {name: modality.code.random(modality, rng) for name, modality in self.modalities.items()}
        facts = {f"{name}.{fact}" for name, modality in self.modalities.items() for fact in modality.announced_facts}
        return samples | dict.fromkeys(facts, np.zeros(()))

    def fingerprint(self) -> str:
        """Return a text that depends on the number of samples only, as results on them are discarded."""
        return f"generated {len(self.labels)}"
