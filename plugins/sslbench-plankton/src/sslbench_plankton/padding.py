"""Pad images to squares as the plankton MAE study does (arXiv 2503.11341), and as the cross-modal one. Pure NumPy.

Left open by the first and chosen here: edges one pixel thick, after conversion to gray; Gaussian noise cut to 0..255;
the image centered; the generator is the caller's, so that an image always gets the same border.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

CLOSEST = 0.2


def edge_statistics(plane: NDArray[np.uint8]) -> tuple[int, float]:
    """The mode over all four edges of a gray image [H, W], and the deviation of the 20 % of edge pixels nearest to it."""
    edges = np.concatenate([plane[0], plane[-1], plane[1:-1, 0], plane[1:-1, -1]])
    mode = int(np.bincount(edges, minlength=256).argmax())
    distance = np.abs(edges.astype(np.int64) - mode)
    nearest = edges[np.argsort(distance, kind="stable")[: max(1, round(CLOSEST * len(edges)))]]
    return mode, float(nearest.std())


def pad_square(plane: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Pad the short side of a gray image [H, W] with the edges' mode color plus noise: [S, S], S the long side."""
    height, width = plane.shape
    side = max(height, width)
    if height == width:
        return plane
    mode, deviation = edge_statistics(plane)
    square = np.clip(np.round(rng.normal(mode, deviation, (side, side))), 0, 255).astype(np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = plane
    return square


def pad_edges(plane: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Pad the short side of an image [H, W] by repeating its edges, the image in the middle: [S, S]."""
    height, width = plane.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    return np.pad(plane, ((top, side - height - top), (left, side - width - left)), mode="edge")


def pad_sample(sample: Mapping[str, NDArray[Any]], rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
    """Pad one sample to a square [C, S, S], channel by channel, and return its size before padding."""
    image = sample["image"]
    square = np.stack([pad_square(channel, rng) for channel in image])
    return {"image": square, "image.size": np.array(image.shape[1:])}
