"""Read PASCAL VOC 2007: one file of labels per class and part, and JPEG images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api import DataBroken, DataMissing, Dataset, Modality, Source, Target
from sslbench.api.files import find, fingerprint
from sslbench.api.image_options import ImageOptions
from sslbench.api.image_set import ImageSet
from sslbench_mvmr.datasets.voc07 import NAMES, Voc07Config

CODES = {"1": 1, "-1": 0, "0": -1}
"""Published labels and ours: 0 marks images whose objects of the class are all difficult; they count neither way."""
TRAINING = {"test": "trainval", "val": "train"}


def read_labels(sets: Path, part: str) -> dict[str, list[int]]:
    """Read the labels of a part's images, by image; raises DataMissing or DataBroken."""
    found: dict[str, list[int]] = {}
    for number, name in enumerate(NAMES):
        path = sets / f"{name}_{part}.txt"
        if not path.exists():
            raise DataMissing(f"no {path.name} in {sets}")
        for line in path.read_text().splitlines():
            words = line.split()
            if not words:
                continue
            if len(words) != 2 or words[1] not in CODES:
                raise DataBroken(f"{path}: line {line!r} is not an image and 1, 0 or -1. Extract it again")
            labels = found.setdefault(words[0], [])
            if len(labels) != number:
                raise DataBroken(f"{path}: image {words[0]!r} is not once in the file of each class. Extract it again")
            labels.append(CODES[words[1]])
        if short := next((image for image, labels in found.items() if len(labels) != number + 1), ""):
            raise DataBroken(f"{path}: image {short!r} is not once in the file of each class. Extract it again")
    return found


class Voc07:
    """Images with 20 labels each."""

    target = Target(kind="labels", names=NAMES)
    modalities: Mapping[str, Modality] = {"image": Modality(layout="image", shape=(3, 0, 0))}

    def __init__(self, folder: Path, parts: Mapping[str, Mapping[str, list[int]]], cache: Path) -> None:
        rows = [(name, split, labels) for split, part in parts.items() for name, labels in part.items()]
        self.cache = cache
        self.labels: NDArray[np.int64] = np.array([labels for _, _, labels in rows], np.int64).reshape(-1, len(NAMES))
        self.columns: Mapping[str, NDArray[np.str_]] = {
            "id": np.array([name for name, _, _ in rows]),
            "split": np.array([split for _, split, _ in rows]),
        }
        files = [folder / "JPEGImages" / f"{name}.jpg" for name, _, _ in rows]
        if missing := next((path for path in files if not path.exists()), None):
            raise DataMissing(f"no {missing.name} in {missing.parent}")
        self.images = ImageSet(folder, files, cache, ImageOptions(channels="color"))

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Height and width [n, 2] of each image."""
        return self.images.sizes

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """Decode one image: uint8 [3, H, W]."""
        return {"image": self.images.read(row)}

    def fingerprint(self) -> str:
        """Return a digest of images and labels."""
        return f"{fingerprint(self.images.root, self.images.files, self.cache)}-{hash_labels(self.labels)}"


def hash_labels(labels: NDArray[np.int64]) -> str:
    """Return a digest of labels."""
    return hashlib.blake2b(np.ascontiguousarray(labels).data, digest_size=8).hexdigest()


def open_voc07(config: Voc07Config, source: Source) -> Dataset:
    """Read the labels of two parts; raises DataMissing or DataBroken."""
    folder = find(source, ["VOCdevkit/VOC2007", "VOC2007", "voc07"])
    sets = folder / "ImageSets" / "Main"
    parts = {"train": read_labels(sets, TRAINING[config.test]), "test": read_labels(sets, config.test)}
    return Voc07(folder, parts, source.work / "fingerprints")
