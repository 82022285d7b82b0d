"""Place scanned digits on a canvas with random shift and contrast. Pure NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sslbench.api import Source
from sslbench_vision.datasets.array_images import ArrayImages
from sslbench_vision.datasets.shifted_digits import ShiftedDigitsConfig


def place_on_canvas(scan: NDArray[np.float64], config: ShiftedDigitsConfig, row: int) -> NDArray[np.uint8]:
    """Place a scan [h, w] in [0, 1] on a canvas [side, side]; position and contrast depend on seed and row only."""
    rng = np.random.default_rng([config.seed, row])
    height, width = scan.shape
    top, left = rng.integers(0, config.side - height + 1), rng.integers(0, config.side - width + 1)
    canvas = np.zeros((config.side, config.side), np.uint8)
    canvas[top : top + height, left : left + width] = np.round(scan * rng.uniform(config.contrast, 1) * 255)
    return canvas


def draw_shifted_digits(config: ShiftedDigitsConfig) -> ArrayImages:
    """Draw every scan once."""
    from sklearn.datasets import load_digits

    loaded = load_digits()
    images = np.stack([place_on_canvas(scan / 16, config, row) for row, scan in enumerate(loaded.images)])
    return ArrayImages(images[:, None], loaded.target.astype(np.int64), tuple("0123456789"), {})


def open_shifted_digits(config: ShiftedDigitsConfig, source: Source) -> ArrayImages:
    """Draw every scan; the scans come with scikit-learn, so nothing is read from `source`."""
    return draw_shifted_digits(config)
