"""Read pairs of pixels from an HDF5 file, many rows at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api import DataBroken, DataDescription, DataMissing, Dataset, Source, Target
from sslbench.api.files import find, fingerprint
from sslbench_crops.datasets.crop_pairs import CropPairsConfig
from sslbench_crops.hdf5_files import RowBlocks, find_array, open_hdf5
from sslbench_crops.modalities import pair_modalities

FOLDERS = ("crop_pairs", "7737587")


def open_pairs(config: CropPairsConfig, source: Source) -> Dataset:
    """Find the file; raises DataMissing without it, DataBroken for arrays that are not pairs of the stated sizes."""
    root = find(source, FOLDERS)
    path = root if root.is_file() else root / config.file
    if not path.is_file():
        raise DataMissing(f"{root} has no {config.file}")
    with open_hdf5(path) as file:
        rows = [
            _count_rows(find_array(file, name, f"data.{role}").shape, values, f"data.{role}={name}")
            for role, name, values in (
                ("first", config.first, config.values_a),
                ("second", config.second, config.values_b),
            )
        ]
    if rows[0] != rows[1] or not rows[0]:
        problem = f"{path}: {config.first!r} has {rows[0]:,} rows and {config.second!r} {rows[1]:,}"
        raise DataBroken(f"{problem}. Name two arrays of the same pixels")
    return PixelPairs(config, source, path, rows[0])


def _count_rows(shape: tuple[int, ...], values: int, setting: str) -> int:
    """Return the rows of an array; raises DataBroken if a row has another number of values."""
    found = math.prod(shape[1:])
    if found != values:
        raise DataBroken(f"{setting}: has {found} values per pixel, not {values}. Name another array, or remove bands")
    return shape[0]


class PixelPairs:
    """Unlabeled pairs in the order of the file."""

    def __init__(self, config: CropPairsConfig, source: Source, path: Path, rows: int) -> None:
        self.config, self.path, self.remember = config, path, source.work
        self.blocks = RowBlocks(path, (config.first, config.second))
        self.modalities = pair_modalities(config.values_a, config.values_b)
        self.target = Target(kind="none")
        self.labels: NDArray[Any] = np.full(rows, -1, np.int64)
        self.columns: Mapping[str, NDArray[np.str_]] = {"id": np.arange(rows).astype(np.str_)}

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """Return one pair as reflectances; raises DataBroken for a value that is not finite."""
        stored = self.blocks.read(row)
        sample = {}
        for name, key in (("step-a", self.config.first), ("step-b", self.config.second)):
            sample[name] = (stored[key].reshape(-1) / self.config.scale).astype(np.float32)
            if not np.isfinite(sample[name]).all():
                band = int(np.flatnonzero(~np.isfinite(sample[name]))[0])
                raise DataBroken(f"{key!r} has {sample[name][band]} in value {band}. Remove the pixel")
        return sample

    def describe(self) -> DataDescription:
        """State where pairs come from, and what is not known about them."""
        return DataDescription(
            facts={"file": self.path.name},
            notes=(
                "the layout of the published record is not verified, and it does not name the parcels of its pixels",
            ),
        )

    def fingerprint(self) -> str:
        """Return a digest of the file."""
        return fingerprint(self.path.parent, [self.path], self.remember)
