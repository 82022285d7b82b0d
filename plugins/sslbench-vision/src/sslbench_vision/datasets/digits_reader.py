"""Load scikit-learn's digits."""

from __future__ import annotations

import numpy as np
from sklearn.datasets import load_digits

from sslbench.api import Dataset, Source
from sslbench_vision.datasets.array_images import ArrayImages
from sslbench_vision.datasets.digits import DigitsConfig


def open_digits(config: DigitsConfig, source: Source) -> Dataset:
    """Load the scans, with values 0 to 16 scaled to 0 to 255."""
    loaded = load_digits()
    images = np.round(loaded.images * (255 / 16)).astype(np.uint8)[:, None]
    return ArrayImages(images, loaded.target.astype(np.int64), tuple("0123456789"), {})
