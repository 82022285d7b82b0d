"""Some samples of a dataset: an equal share of every class of every official split. Reads nothing by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api.specs import Dataset

VERSION = 2


def some_rows(strata: NDArray[Any], samples: int) -> NDArray[np.int64]:
    """Keep `samples` row numbers, in order: from each stratum [n] its share, rounded by largest remainder, at least one."""
    codes, counts = np.unique(strata, return_counts=True)
    exact = counts * samples / len(strata)
    sizes = np.maximum(np.floor(exact).astype(int), 1)
    for place in np.argsort(sizes - exact, kind="stable")[: max(samples - sizes.sum(), 0)]:
        sizes[place] += 1
    rng = np.random.default_rng([VERSION, len(strata)])
    chosen = [rng.permutation(np.flatnonzero(strata == code))[:size] for code, size in zip(codes, sizes, strict=True)]
    return np.sort(np.concatenate(chosen))


def marked(fingerprint: str, samples: int) -> str:
    """The fingerprint of so many samples of what has that fingerprint."""
    return f"{fingerprint}-{samples}-{VERSION}"


class Fewer:
    """Some samples of a dataset, the same for everybody; smaller numbers are no part of larger ones."""

    def __init__(self, whole: Dataset, samples: int) -> None:
        split = whole.columns.get("split", np.zeros(len(whole.labels), np.str_))
        labels = whole.labels if whole.labels.ndim == 1 else np.zeros(len(whole.labels), np.int64)
        strata = np.unique(np.stack([split, labels.astype(np.str_)]), axis=1, return_inverse=True)[1]
        self.whole, self.samples = whole, samples
        self.rows = some_rows(strata, samples)
        self.modalities, self.target = whole.modalities, whole.target
        self.labels: NDArray[np.int64] = whole.labels[self.rows]
        if (account := getattr(whole, "account", None)) is not None:
            self.account = account  # of the whole, of which these are some
        if (describe := getattr(whole, "describe", None)) is not None:
            self.describe = describe
        if (sizes := getattr(whole, "sizes", None)) is not None:
            self.sizes = sizes[self.rows]
        self.columns: Mapping[str, NDArray[np.str_]] = {k: v[self.rows] for k, v in whole.columns.items()}

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """Read a sample of the whole."""
        return self.whole.read(int(self.rows[row]), rng)

    def fingerprint(self) -> str:
        """The whole's, how many, and by which rule."""
        return marked(self.whole.fingerprint(), self.samples)
