"""A cell on a square of a fixed side, at the scale it was taken at. Not a resizing: that would make all cells one size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def frame(image: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Place the middle of [C, H, W] on [C, side, side]; smaller images get a border of their edges' median."""
    channels, height, width = image.shape
    edges = (image[:, 0], image[:, -1], image[:, :, 0], image[:, :, -1])
    ground: NDArray[np.float64] = np.median(np.concatenate(edges, axis=1), axis=1, keepdims=True)
    square = np.empty((channels, side, side), np.uint8)
    square[:] = np.round(ground)[..., None]
    source, target = zip(_overlap(height, side), _overlap(width, side), strict=True)
    square[(slice(None), *target)] = image[(slice(None), *source)]
    return square


def frame_sample(side: int, sample: Mapping[str, NDArray[Any]], rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
    """One sample with its image framed."""
    return {"image": frame(sample["image"], side)}


def _overlap(length: int, side: int) -> tuple[slice, slice]:
    """Return the part of a length that fits a side with the same middle, and its position."""
    shared = min(length, side)
    source, target = (length - shared) // 2, (side - shared) // 2
    return slice(source, source + shared), slice(target, target + shared)
