"""Draw a subset of a dataset's samples, stratified or balanced by class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from sslbench.api.specs import Dataset
from sslbench.data.official_splits import join_official_parts

VERSION = 2
Sampling: TypeAlias = Literal["stratified", "balanced"]
"""Each class keeps its share of all samples (stratified), or all classes get the same number (balanced)."""


def stratified_rows(strata: NDArray[Any], samples: int) -> NDArray[np.int64]:
    """Draw `samples` row numbers, sorted: of each stratum [n] its share, rounded by largest remainder, at least one."""
    codes, sizes = _share_sizes(strata, samples)
    return _draw_rows(strata, codes, sizes)


def balanced_rows(parts: NDArray[Any], classes: NDArray[Any], samples: int) -> NDArray[np.int64]:
    """Draw `samples` row numbers, sorted: of each part [n] its share, and in it the same number of every class [n].

    Classes with fewer samples are kept whole, and the rest is distributed over the others. Each class keeps at least one.
    """
    names, shares = _share_sizes(parts, samples)
    kept = []
    for name, share in zip(names, shares, strict=True):
        rows = np.flatnonzero(parts == name)
        codes, counts = np.unique(classes[rows], return_counts=True)
        kept.append(rows[_draw_rows(classes[rows], codes, _equal_sizes(counts, int(share)))])
    return np.sort(np.concatenate(kept))


def _share_sizes(strata: NDArray[Any], samples: int) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the strata and the number of samples to keep of each: its share of `samples`, at least one."""
    codes, counts = np.unique(strata, return_counts=True)
    exact = counts * samples / len(strata)
    sizes = np.maximum(np.floor(exact).astype(int), 1)
    for place in np.argsort(sizes - exact, kind="stable")[: max(samples - sizes.sum(), 0)]:
        sizes[place] += 1
    return codes, sizes


def _equal_sizes(counts: NDArray[np.int64], samples: int) -> NDArray[np.int64]:
    """Return the number of samples of each class: equal numbers, at least one, at most the class's count."""
    sizes = np.zeros(len(counts), np.int64)
    left = max(min(samples, int(counts.sum())), len(counts))
    order = np.argsort(counts, kind="stable")  # smallest first, so that the rest is distributed over the larger ones
    for done, place in enumerate(order):
        sizes[place] = min(counts[place], left // (len(counts) - done))
        left -= int(sizes[place])
    return sizes


def _draw_rows(strata: NDArray[Any], codes: NDArray[Any], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Draw the given number of rows of each stratum, sorted; the draw depends on no seed."""
    rng = np.random.default_rng([VERSION, len(strata)])
    chosen = [rng.permutation(np.flatnonzero(strata == code))[:size] for code, size in zip(codes, sizes, strict=True)]
    return np.sort(np.concatenate(chosen))


def subset_fingerprint(fingerprint: str, samples: int, sampling: Sampling) -> str:
    """Return the fingerprint of a subset of a dataset with the given fingerprint."""
    rule = "" if sampling == "stratified" else f"-{sampling}"
    return f"{fingerprint}-{samples}{rule}-{VERSION}"


class Subset:
    """A subset of a dataset that depends on no seed; smaller subsets are not contained in larger ones.

    Stratified: every class of every official split keeps its share. Balanced: all classes get the same number in each
    split. Samples without a label keep their share in both. With several labels per sample only the splits are strata.
    """

    def __init__(self, dataset: Dataset, samples: int, sampling: Sampling) -> None:
        split = join_official_parts(dataset.columns, len(dataset.labels))
        labels = dataset.labels if dataset.labels.ndim == 1 else np.zeros(len(dataset.labels), np.int64)
        self.whole, self.samples, self.sampling = dataset, samples, sampling
        if sampling == "balanced":
            self.rows = balanced_rows(_number_pairs(split, labels >= 0), labels, samples)
        else:
            self.rows = stratified_rows(_number_pairs(split, labels), samples)
        self.modalities, self.target = dataset.modalities, dataset.target
        self.labels = dataset.labels[self.rows]
        if (account := getattr(dataset, "account", None)) is not None:
            self.account = account  # describes the whole dataset
        if (describe := getattr(dataset, "describe", None)) is not None:
            self.describe = describe
        if (sizes := getattr(dataset, "sizes", None)) is not None:
            self.sizes = sizes[self.rows]
        self.columns: Mapping[str, NDArray[np.str_]] = {k: v[self.rows] for k, v in dataset.columns.items()}

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """Read a sample of the whole dataset."""
        return self.whole.read(int(self.rows[row]), rng)

    def fingerprint(self) -> str:
        """Return the fingerprint of the whole dataset with the number of samples and the sampling."""
        return subset_fingerprint(self.whole.fingerprint(), self.samples, self.sampling)


def _number_pairs(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.int64]:
    """Return a number [n] per row that identifies the pair of its values in two columns."""
    pairs: NDArray[np.int64] = np.unique(np.stack([first, second.astype(np.str_)]), axis=1, return_inverse=True)[1]
    return pairs
