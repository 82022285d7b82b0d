"""Find cells by their nuclei. Simple on purpose: blur, one threshold for the image, touching nuclei parted at their waists.

Bendidi et al. (arXiv 2304.11718, section 5) state only that cells are detected and cut out centered.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed


def find_nuclei(stain: NDArray[np.uint16], blur: float, area: int, margin: int) -> list[tuple[int, int]]:
    """Centers (row, column) of the nuclei in an image [H, W] of their stain, in order from the top left.

    `blur` is the deviation in pixels before Otsu's threshold, `area` the smallest nucleus in pixels; centers nearer to an
    edge than `margin` are left out. An image of one value has none.
    """
    smooth = ndimage.gaussian_filter(stain.astype(np.float32), blur)
    if smooth.min() == smooth.max():
        return []
    bright = smooth > threshold_otsu(smooth)
    inward = ndimage.gaussian_filter(ndimage.distance_transform_edt(bright), blur)
    min_distance = max(1, round((area / np.pi) ** 0.5))  # the radius of the smallest
    peaks = peak_local_max(inward, min_distance=min_distance, labels=ndimage.label(bright)[0], exclude_border=False)
    seeds = np.zeros(stain.shape, np.int32)
    seeds[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    parts = watershed(-inward, seeds, mask=bright)
    sizes = np.bincount(parts.ravel(), minlength=len(peaks) + 1)
    large = [number for number in range(1, len(sizes)) if sizes[number] >= area]
    centers = [(round(row), round(column)) for row, column in ndimage.center_of_mass(bright, parts, large)]
    height, width = stain.shape
    return sorted(
        (row, column)
        for row, column in centers
        if margin <= row <= height - margin and margin <= column <= width - margin
    )
