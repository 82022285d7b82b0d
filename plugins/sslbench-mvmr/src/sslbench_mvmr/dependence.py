"""Distance correlation of two sets of vectors: how much they depend on each other, from 0 to 1, for any two widths.

Szekely, Rizzo and Bakirov 2007 (V-statistic) and Szekely and Rizzo 2014 (U-statistic, corrected for bias).

The V-statistic is biased. For n independent rows it is far above 0, and near 1 if the vectors are wide: for normal vectors
of 8,192 and 1,000 numbers and n = 64 its expectation is 0.991. Compare it with `permuted_correlation`, or use the
U-statistic, whose expectation for independent rows is about 0.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from sslbench.api.modules import equation

Statistic = Literal["v", "u"]
"""'v': rows and columns centered by their means; 'u': bias-corrected, which needs at least four rows."""


@equation
def exact_distances(rows: Tensor) -> Tensor:
    """Return the Euclidean distances [n, n] of rows [n, D]; the gradient of a distance of 0 is 0.

    The memory is that of the distances, for any width.
    """
    return torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist")


@equation
def product_distances(rows: Tensor) -> Tensor:
    """Return the Euclidean distances [n, n] of rows [n, D] from their products: fast for wide rows that need no gradient.

    The rows are centered first, and distances of rows that are nearly equal are inexact.
    """
    centered = rows - rows.mean(0)
    squares = centered.square().sum(1)
    found = (squares[:, None] + squares[None] - 2 * centered @ centered.T).clamp_min(0)
    return found.fill_diagonal_(0).sqrt()


@equation
def clamped_distances(rows: Tensor, floor: float = 1e-4) -> Tensor:
    """Return distances [n, n] whose squares are at least `floor`, also on the diagonal, as in the released code of MV-MR."""
    centered = rows - rows.mean(0)
    squares = centered.square().sum(1)
    return (squares[:, None] + squares[None] - 2 * centered @ centered.T).clamp_min(floor).sqrt()


@equation
def center(distances: Tensor, statistic: Statistic) -> Tensor:
    """Return centered distances [n, n].

    'v': minus the means of row and column, plus the mean of all. 'u': the same with sums over n - 2 and (n - 1)(n - 2), and a
    diagonal of zeros.
    """
    n = len(distances)
    if statistic == "v":
        return distances - distances.mean(0, keepdim=True) - distances.mean(1, keepdim=True) + distances.mean()
    if n < 4:
        raise ValueError(f"the U-statistic needs at least 4 rows, not {n}")
    sums = distances.sum(0, keepdim=True) / (n - 2) + distances.sum(1, keepdim=True) / (n - 2)
    centered = distances - sums + distances.sum() / ((n - 1) * (n - 2))
    return centered - torch.diag(centered.diagonal())


@equation
def covariance(one: Tensor, two: Tensor, statistic: Statistic) -> Tensor:
    """Return the squared distance covariance of two sets of centered distances [n, n]."""
    n = len(one)
    return (one * two).sum() / (n * n if statistic == "v" else n * (n - 3))


@equation
def squared_correlation(one: Tensor, two: Tensor, undefined: float = 0.0) -> Tensor:
    """Return the squared distance correlation of two sets of centered distances [n, n].

    'v': in [0, 1]. 'u': at most 1, and near 0, of either sign, for independent rows.
    undefined: value where a set has no variance; 1 in the released code of MV-MR.
    """
    product = (one * one).sum() * (two * two).sum()
    is_defined = product > 0
    scale = torch.where(is_defined, product, 1).sqrt()
    return torch.where(is_defined, (one * two).sum() / scale, undefined)


@equation
def permuted_correlation(one: Tensor, two: Tensor, order: Tensor) -> Tensor:
    """Return the squared distance correlation after the rows of `two` are put in another order [n].

    In a random order the rows are independent, so this is the value to exceed at this number of rows and these vectors.
    """
    return squared_correlation(one, two[order][:, order])
