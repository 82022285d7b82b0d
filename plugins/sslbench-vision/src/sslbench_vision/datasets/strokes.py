"""Measure slant and thickness of the strokes of written digits. Pure NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]


def slant(ink: Values) -> Values:
    """Return the slant [n] in degrees of ink [n, H, W] in [0, 1], positive to the right.

    The slant is that of the axis through the centers of rows. The shear that makes it upright is the covariance of x and y
    divided by the variance of y.
    """
    weight = ink / np.maximum(ink.sum((1, 2), keepdims=True), 1e-12)
    down, right = np.arange(ink.shape[1], dtype=np.float64), np.arange(ink.shape[2], dtype=np.float64)
    rows, columns = weight.sum(2), weight.sum(1)
    y = down - (rows @ down)[:, None]
    x = right - (columns @ right)[:, None]
    covariance = np.einsum("nij,ni,nj->n", weight, y, x)
    degrees: Values = np.degrees(np.arctan2(-covariance, np.maximum((rows * y**2).sum(1), 1e-12)))
    return degrees


def thickness(ink: Values) -> Values:
    """Return the mean width [n] in pixels of strokes of ink [n, H, W] in [0, 1]: twice their area by their edge length.

    The edge length is the total variation: a stroke of length L and width w has the area wL and edges of 2L. Gray edges need
    no threshold.
    """
    framed = np.pad(ink, ((0, 0), (1, 1), (1, 1)))
    across = (framed[:, 1:-1, 2:] - framed[:, 1:-1, :-2]) / 2
    along = (framed[:, 2:, 1:-1] - framed[:, :-2, 1:-1]) / 2
    edges = np.sqrt(across**2 + along**2).sum((1, 2))
    width: Values = 2 * ink.sum((1, 2)) / np.maximum(edges, 1e-12)
    return width
