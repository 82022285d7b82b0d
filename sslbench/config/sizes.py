"""How large images are encoded and kept unless a request says so: never larger than they are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from sslbench.config.datasets import Part

DEFAULT_VIEW, LARGEST_CANVAS = 64, 256
MULTIPLE = 4
"""Views of mixed images are a multiple of this many pixels: encoders divide them into patches or halve them."""


def default_view(parts: Sequence[Part]) -> int:
    """The side at which images are encoded: theirs where all have one square shape, else at most DEFAULT_VIEW.

    Images of mixed shapes are encoded at the median of their longer sides, rounded down to a multiple of four; where no
    dataset says how large they are, at DEFAULT_VIEW.
    """
    announced = {m.shape[1:] for part in parts for m in part.dataset.modalities.values() if m.layout == "image"}
    if len(announced) == 1 and (side := _square(announced.pop())):
        return side
    sizes = image_sizes(parts)
    if sizes is None or not len(sizes):
        return DEFAULT_VIEW
    shapes = np.unique(sizes, axis=0)
    if len(shapes) == 1 and (side := _square(tuple(shapes[0].tolist()))):
        return min(side, DEFAULT_VIEW)
    middle = int(np.median(sizes.max(axis=1)))
    return min(DEFAULT_VIEW, middle // MULTIPLE * MULTIPLE or middle)


def default_canvas(view: int, parts: Sequence[Part]) -> int:
    """The side of the canvas on which images of mixed shapes are kept: twice the view's, at most that of the largest image.

    It is at most LARGEST_CANVAS, or the view's own side if that is larger.
    """
    canvas = min(2 * view, max(LARGEST_CANVAS, view))
    sizes = image_sizes(parts)
    return canvas if sizes is None or not len(sizes) else min(canvas, int(sizes.max()))


def warn_of_enlarging(asked: int, parts: Sequence[Part]) -> Iterator[str]:
    """Yield a warning where a view that was asked for is larger than most images are."""
    sizes = image_sizes(parts)
    if not asked or sizes is None or not len(sizes):
        return
    middle = int(np.median(sizes.max(axis=1)))
    if asked > middle:
        yield (
            f"view.size={asked}: enlarges images, whose longer side is {middle} px (median), which takes time and shows "
            f"nothing more. Set view.size={default_view(parts)} or leave it out"
        )


def image_sizes(parts: Sequence[Part]) -> NDArray[np.int64] | None:
    """Height and width [n, 2] of every image; None where not all are known.

    A dataset whose images have mixed sizes may offer them as `sizes` [rows, 2], from the files' headers; 0 is a file that
    cannot be read.
    """
    found: list[NDArray[np.int64]] = []
    for part in parts:
        for modality in part.dataset.modalities.values():
            if modality.layout != "image":
                continue
            if 0 not in modality.shape:
                found.append(np.tile(np.array(modality.shape[1:], np.int64), (max(1, len(part.dataset.labels)), 1)))
                continue
            sizes = getattr(part.dataset, "sizes", None)
            if sizes is None:
                return None
            known = np.asarray(sizes, np.int64)
            found.append(known[(known > 0).all(axis=1)])
    return np.concatenate(found) if found else np.zeros((0, 2), np.int64)


def _square(shape: tuple[int, ...]) -> int:
    """The side of a square; 0 for anything else."""
    return shape[0] if len(set(shape)) == 1 else 0
