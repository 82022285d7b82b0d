"""Read MNIST's idx files."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sslbench.api import DataBroken, DataMissing, Dataset, Source
from sslbench.api.files import find
from sslbench_vision.datasets.array_images import ArrayImages
from sslbench_vision.datasets.mnist import FILES, MD5, MnistConfig
from sslbench_vision.datasets.strokes import slant, thickness


def read_idx(folder: Path, name: str) -> NDArray[np.uint8]:
    """Read one idx file and check its digest; raises DataMissing or DataBroken."""
    for path in (folder / f"{name}.gz", folder / name, folder / "raw" / name, folder / "MNIST" / "raw" / name):
        if path.exists():
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            if hashlib.md5(content, usedforsecurity=False).hexdigest() != MD5[name]:
                raise DataBroken(f"{path} is not the released file (its MD5 differs). Download it again")
            dimensions = content[3]
            shape = tuple(int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions))
            return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    raise DataMissing(f"no {name} or {name}.gz in {folder}")


def open_mnist(config: MnistConfig, source: Source) -> Dataset:
    """Read the four files; raises DataMissing or DataBroken."""
    folder = find(source, ["mnist", "MNIST"])
    train, train_labels, test, test_labels = (read_idx(folder, name) for name in FILES)
    images = np.concatenate([train, test])[:, None]
    labels = np.concatenate([train_labels, test_labels]).astype(np.int64)
    split = np.array(["train"] * len(train) + ["test"] * len(test))
    ink = images[:, 0] / 255
    strokes = {"slant": slant(ink), "thickness": thickness(ink)}
    columns = {name: np.array([f"{value:.3f}" for value in values]) for name, values in strokes.items()}
    return ArrayImages(images, labels, tuple("0123456789"), {"split": split, **columns})
