"""Some samples of a dataset: every class keeps its share, or every class has the same number. Reads nothing by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sslbench.api.specs import Dataset

VERSION = 2
Sampling: TypeAlias = Literal["stratified", "balanced"]
"""Whether a class keeps its share of all samples, or every class gets the same number."""


def stratified_rows(strata: NDArray[Any], samples: int) -> NDArray[np.int64]:
    """Keep `samples` row numbers, in order: from each stratum [n] its share, rounded by largest remainder, at least one."""
    codes, sizes = _share_sizes(strata, samples)
    return _draw_rows(strata, codes, sizes)


def balanced_rows(parts: NDArray[Any], classes: NDArray[Any], samples: int) -> NDArray[np.int64]:
    """Keep `samples` row numbers, in order: each part [n] keeps its share, and in it every class [n] the same number.

    Of a class with fewer samples all are kept, and the others of its part get what it leaves. At least one of each is kept.
    """
    names, shares = _share_sizes(parts, samples)
    kept = []
    for name, share in zip(names, shares, strict=True):
        rows = np.flatnonzero(parts == name)
        codes, counts = np.unique(classes[rows], return_counts=True)
        kept.append(rows[_draw_rows(classes[rows], codes, _equal_sizes(counts, int(share)))])
    return np.sort(np.concatenate(kept))


def _share_sizes(strata: NDArray[Any], samples: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """How many samples each stratum keeps of `samples`: its share, at least one."""
    codes, counts = np.unique(strata, return_counts=True)
    exact = counts * samples / len(strata)
    sizes = np.maximum(np.floor(exact).astype(int), 1)
    for place in np.argsort(sizes - exact, kind="stable")[: max(samples - sizes.sum(), 0)]:
        sizes[place] += 1
    return codes, sizes


def _equal_sizes(counts: NDArray[np.int64], samples: int) -> NDArray[np.int64]:
    """How many of `samples` each class gets: equally many, none more than it has, each at least one."""
    sizes = np.zeros(len(counts), np.int64)
    left = max(min(samples, int(counts.sum())), len(counts))
    order = np.argsort(counts, kind="stable")  # smallest first: what a class lacks is left to the larger ones
    for done, place in enumerate(order):
        sizes[place] = min(counts[place], left // (len(counts) - done))
        left -= int(sizes[place])
    return sizes


def _draw_rows(strata: NDArray[Any], codes: NDArray[Any], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Draw so many rows of each stratum, the same for everybody; in order."""
    rng = np.random.default_rng([VERSION, len(strata)])
    chosen = [rng.permutation(np.flatnonzero(strata == code))[:size] for code, size in zip(codes, sizes, strict=True)]
    return np.sort(np.concatenate(chosen))


def subset_fingerprint(fingerprint: str, samples: int, sampling: Sampling) -> str:
    """The fingerprint of so many samples of what has that fingerprint."""
    rule = "" if sampling == "stratified" else f"-{sampling}"
    return f"{fingerprint}-{samples}{rule}-{VERSION}"


class Subset:
    """Some samples of a dataset, the same for everybody; smaller numbers are no part of larger ones.

    Stratified, every class of every official split keeps its share; balanced, every class gets the same number in each
    split. Samples without a label keep their share in both. Of data with several labels per sample only the splits count.
    """

    def __init__(self, whole: Dataset, samples: int, sampling: Sampling) -> None:
        split = whole.columns.get("split", np.zeros(len(whole.labels), np.str_))
        labels = whole.labels if whole.labels.ndim == 1 else np.zeros(len(whole.labels), np.int64)
        self.whole, self.samples, self.sampling = whole, samples, sampling
        if sampling == "balanced":
            self.rows = balanced_rows(_number_pairs(split, labels >= 0), labels, samples)
        else:
            self.rows = stratified_rows(_number_pairs(split, labels), samples)
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
        return subset_fingerprint(self.whole.fingerprint(), self.samples, self.sampling)


def _number_pairs(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.int64]:
    """Number [n] the pairs of two columns."""
    pairs: NDArray[np.int64] = np.unique(np.stack([first, second.astype(np.str_)]), axis=1, return_inverse=True)[1]
    return pairs
