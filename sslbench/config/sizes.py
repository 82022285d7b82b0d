"""Choose the default sizes of views and stored images, which are never larger than the images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sslbench.config.datasets import Part

DEFAULT_VIEW, LARGEST_CANVAS = 64, 256
MULTIPLE = 4
"""Views of mixed images are a multiple of this many pixels: encoders divide them into patches or halve them."""


def default_view(parts: Sequence[Part]) -> int:
    """Return the side in pixels of encoded images: their own if all have one square shape, else at most DEFAULT_VIEW.

    For images of mixed shapes it is the median of their longer sides, rounded down to a multiple of four, or DEFAULT_VIEW
    if the sizes are unknown.
    """
    declared = {m.sides for part in parts for m in part.dataset.modalities.values() if m.spec.has_size}
    if len(declared) == 1 and (side := _square_side(declared.pop())):
        return side
    sizes = image_sizes(parts)
    if sizes is None or not len(sizes):
        return DEFAULT_VIEW
    shapes = np.unique(sizes, axis=0)
    if len(shapes) == 1 and (side := _square_side(tuple(shapes[0].tolist()))):
        return min(side, DEFAULT_VIEW)
    median = int(np.median(sizes.max(axis=1)))
    return min(DEFAULT_VIEW, median // MULTIPLE * MULTIPLE or median)


def default_canvas(view: int, parts: Sequence[Part]) -> int:
    """Return the side of the canvas for images of mixed shapes: twice the view's, at most that of the largest image.

    It is at most LARGEST_CANVAS, or the view's own side if that is larger.
    """
    canvas = min(2 * view, max(LARGEST_CANVAS, view))
    sizes = image_sizes(parts)
    return canvas if sizes is None or not len(sizes) else min(canvas, int(sizes.max()))


def warn_of_enlarging(requested: int, parts: Sequence[Part]) -> Iterator[str]:
    """Yield a warning if the requested view is larger than most images."""
    sizes = image_sizes(parts)
    if not requested or sizes is None or not len(sizes):
        return
    median = int(np.median(sizes.max(axis=1)))
    if requested > median:
        yield (
            f"view.size={requested}: enlarges images, whose longer side is {median} px (median), which takes time and adds "
            f"no detail. Set view.size={default_view(parts)} or remove the setting"
        )


def image_sizes(parts: Sequence[Part]) -> NDArray[np.int64] | None:
    """Return height and width [n, 2] of every image (or shortest and longest side), or None if not all are known.

    A dataset whose images have mixed sizes may provide them as `sizes` [rows, 2], read from the files' headers; 0 marks a
    file that cannot be read.
    """
    found: list[NDArray[np.int64]] = []
    for part in parts:
        for modality in part.dataset.modalities.values():
            if not modality.spec.has_size:
                continue
            if 0 not in modality.shape:
                sides = modality.sides if len(modality.sides) == 2 else (min(modality.sides), max(modality.sides))
                found.append(np.tile(np.array(sides, np.int64), (max(1, len(part.dataset.labels)), 1)))
                continue
            sizes = getattr(part.dataset, "sizes", None)
            if sizes is None:
                return None
            known = np.asarray(sizes, np.int64)
            found.append(known[(known > 0).all(axis=1)])
    return np.concatenate(found) if found else np.zeros((0, 2), np.int64)


def _square_side(shape: tuple[int, ...]) -> int:
    """Return the side of a square, or 0 for other shapes."""
    return shape[0] if len(set(shape)) == 1 else 0
