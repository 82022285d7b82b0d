"""Read STL-10's binary files: images column by column, and labels from 1."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api import DataBroken, DataMissing, Dataset, Modality, Source, Target
from sslbench.api.files import find
from sslbench_mvmr.datasets.stl10 import NAMES, Stl10Config

SIDE = 96
IMAGE_BYTES = 3 * SIDE * SIDE
FOLDS, FOLD_SIZE = 10, 1000
UNUSED = ""
"""Part of labeled images outside a fold: neither trained nor tested on in it."""


def map_images(path: Path) -> NDArray[np.uint8]:
    """Map a file of images [n, 3, 96, 96] into memory; raises DataMissing or DataBroken."""
    if not path.exists():
        raise DataMissing(f"no {path.name} in {path.parent}")
    size = path.stat().st_size
    if not size or size % IMAGE_BYTES:
        raise DataBroken(f"{path} has {size:,} bytes, not a multiple of {IMAGE_BYTES:,}. Download it again")
    columns_first = np.memmap(path, np.uint8, "r").reshape(-1, 3, SIDE, SIDE)
    return columns_first.transpose(0, 1, 3, 2)


def read_labels(path: Path, images: int) -> NDArray[np.int64]:
    """Read labels [n] as codes from 0; raises DataMissing or DataBroken."""
    if not path.exists():
        raise DataMissing(f"no {path.name} in {path.parent}")
    labels = np.fromfile(path, np.uint8).astype(np.int64)
    if len(labels) != images:
        raise DataBroken(f"{path} has {len(labels):,} labels for {images:,} images. Download it again")
    if len(wrong := labels[(labels < 1) | (labels > len(NAMES))]):
        raise DataBroken(f"{path}: label {wrong[0]} is not in 1 to {len(NAMES)}. Download it again")
    return labels - 1


def read_folds(path: Path, images: int) -> list[NDArray[np.int64]]:
    """Read the training images of each fold: one line of image numbers from 0; raises DataMissing or DataBroken."""
    if not path.exists():
        raise DataMissing(f"no {path.name} in {path.parent}")
    try:
        folds = [np.array(line.split(), np.int64) for line in path.read_text().splitlines() if line.strip()]
    except ValueError as error:
        raise DataBroken(f"{path}: {error}. Download it again") from error
    if len(folds) != FOLDS:
        raise DataBroken(f"{path} has {len(folds)} lines, not {FOLDS} folds. Download it again")
    for number, fold in enumerate(folds):
        if not len(fold) or fold.min() < 0 or fold.max() >= images or len(set(fold.tolist())) != len(fold):
            raise DataBroken(
                f"{path}: line {number + 1} does not name different images from 0 to {images - 1:,}. Download it again"
            )
    return folds


class Stl10:
    """Images of several files; labels -1 for images without label."""

    modalities: Mapping[str, Modality] = {"image": Modality(layout="image", shape=(3, SIDE, SIDE))}
    target = Target(kind="class", names=NAMES)

    def __init__(
        self,
        images: Mapping[str, NDArray[np.uint8]],
        labels: NDArray[np.int64],
        columns: Mapping[str, NDArray[np.str_]],
    ) -> None:
        self.images = list(images.values())
        self.starts = np.cumsum([0, *map(len, self.images)])
        self.labels = labels
        names = [f"{name}-{number:06d}" for name, part in images.items() for number in range(len(part))]
        self.columns: Mapping[str, NDArray[np.str_]] = {"id": np.array(names), **columns}

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """Return one image."""
        part = int(np.searchsorted(self.starts, row, "right")) - 1
        return {"image": np.ascontiguousarray(self.images[part][row - self.starts[part]])}

    def fingerprint(self) -> str:
        """Return a digest of images and labels."""
        digest = hashlib.blake2b(np.ascontiguousarray(self.labels).data, digest_size=16)
        for part in self.images:
            for start in range(0, len(part), FOLD_SIZE):
                digest.update(np.ascontiguousarray(part[start : start + FOLD_SIZE]).data)
        return digest.hexdigest()


def open_stl10(config: Stl10Config, source: Source) -> Dataset:
    """Open the files; raises DataMissing or DataBroken."""
    folder = find(source, ["stl10_binary", "stl10"])
    images = {"train": map_images(folder / "train_X.bin"), "test": map_images(folder / "test_X.bin")}
    labels = [read_labels(folder / f"{name}_y.bin", len(part)) for name, part in images.items()]
    if config.unlabeled:
        images["unlabeled"] = map_images(folder / "unlabeled_X.bin")
        labels.append(np.full(len(images["unlabeled"]), -1, np.int64))
    sizes = [len(part) for part in images.values()]
    parts = ["train", "test", "train"]
    split = np.repeat(parts[: len(sizes)], sizes)
    columns = {"split": split}
    if config.official_folds:
        columns = _split_by_folds(split, read_folds(folder / "fold_indices.txt", sizes[0]), sizes[0])
    return Stl10(images, np.concatenate(labels), columns)


def _split_by_folds(
    split: NDArray[np.str_], folds: Sequence[NDArray[np.int64]], labeled: int
) -> dict[str, NDArray[np.str_]]:
    """Return the columns 'split.0', 'split.1', ...: the labeled images outside a fold are unused in it."""
    columns = {}
    for number, fold in enumerate(folds):
        column = split.copy().astype("<U10")
        column[:labeled] = UNUSED
        column[fold] = "train"
        columns[f"split.{number}"] = column
    return columns
