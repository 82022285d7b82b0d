"""Wrap arrays of images as a Dataset. Imports no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api import Modality, Target


class ArrayImages:
    """uint8 images [n, C, H, W] with class codes and columns [n], such as official splits."""

    def __init__(
        self,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        names: tuple[str, ...],
        columns: Mapping[str, NDArray[np.str_]],
    ) -> None:
        self.images = images
        self.labels = labels
        self.target = Target(kind="class", names=names)
        shape = tuple(int(side) for side in images.shape[1:])
        self.modalities: Mapping[str, Modality] = {"image": Modality(layout="image", shape=shape)}
        self.columns: Mapping[str, NDArray[np.str_]] = {
            "id": np.array([f"{i:06d}" for i in range(len(labels))]),
            **columns,
        }

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """Return one image."""
        return {"image": self.images[row]}

    def fingerprint(self) -> str:
        """Return a digest of images and labels."""
        digest = hashlib.blake2b(np.ascontiguousarray(self.images).data, digest_size=16)
        digest.update(np.ascontiguousarray(self.labels).data)
        return digest.hexdigest()
