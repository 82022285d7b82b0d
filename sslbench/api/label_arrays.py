"""Handle label arrays of every kind of target: moments, descriptions, columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Labels: TypeAlias = NDArray[Any]
BINS = 10
"""Quantile bins of one value by which samples are stratified."""
MAX_BINNED = 3
"""Values, the first of several, by whose bins samples are stratified."""


def find_bins(labels: Labels) -> NDArray[np.int64]:
    """Return the quantile bin [n] of values [n, D]; an unknown value has a bin of its own."""
    binned = min(labels.shape[1], MAX_BINNED)
    bins = int(BINS ** (1 / binned) + 1e-9)
    strata = np.zeros(len(labels), np.int64)
    for values in labels[:, :binned].T:
        edges = np.nanquantile(values, np.arange(1, bins) / bins) if not np.isnan(values).all() else values[:0]
        own = np.where(np.isnan(values), bins, np.searchsorted(edges, values, side="right"))
        strata = strata * (bins + 1) + own
    return strata


def find_moments(values: Labels) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean and standard deviation [D] of the known values; 0 without any, and 1 for a constant."""
    known = ~np.isnan(values)
    count = np.maximum(known.sum(0), 1)
    mean = np.where(known, values, 0).sum(0) / count
    deviation = np.sqrt((np.where(known, values - mean, 0) ** 2).sum(0) / count)
    return mean, np.where(deviation > 0, deviation, 1.0)


def describe_array(labels: Labels) -> str:
    """Describe the type and shape of a label array, for messages."""
    return f"{labels.dtype} of shape {list(labels.shape)}"


def place_columns(labels: Labels, names: Sequence[str], new: Sequence[str], missing: float) -> Labels:
    """Return labels [n, len(new)] with the columns `names` in the order of `new`; others are `missing`."""
    placed = np.full((len(labels), len(new)), missing, labels.dtype)
    placed[:, [list(new).index(name) for name in names]] = labels
    return placed
