"""How a scan was written, whatever it says: the slant and the thickness of its strokes, measured. Pure NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def slant(ink: Values) -> Values:
    """Lean [n] in degrees of ink [n, H, W] in [0, 1], to the right positive: of the axis through its rows' centers.

    The shear that would set the writing upright is the covariance of x and y over the variance of y.
    """
    weight = ink / np.maximum(ink.sum((1, 2), keepdims=True), 1e-12)
    down, right = np.arange(ink.shape[1], dtype=np.float64), np.arange(ink.shape[2], dtype=np.float64)
    rows, columns = weight.sum(2), weight.sum(1)
    y = down - (rows @ down)[:, None]
    x = right - (columns @ right)[:, None]
    together = np.einsum("nij,ni,nj->n", weight, y, x)
    lean: Values = np.degrees(np.arctan2(-together, np.maximum((rows * y**2).sum(1), 1e-12)))
    return lean


def thickness(ink: Values) -> Values:
    """Mean width [n] in pixels of the strokes of ink [n, H, W] in [0, 1]: twice their area over the length of their edges.

    The length of edges is the total variation: a stroke of length L and width w has the area wL and edges of 2L. So gray
    edges need no threshold.
    """
    framed = np.pad(ink, ((0, 0), (1, 1), (1, 1)))
    across = (framed[:, 1:-1, 2:] - framed[:, 1:-1, :-2]) / 2
    along = (framed[:, 2:, 1:-1] - framed[:, :-2, 1:-1]) / 2
    edges = np.sqrt(across**2 + along**2).sum((1, 2))
    width: Values = 2 * ink.sum((1, 2)) / np.maximum(edges, 1e-12)
    return width
