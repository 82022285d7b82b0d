"""Pairs of Sentinel-2 and PlanetScope pixels of one place and date. Spec only; the implementation is `crop_pairs_reader`.

Layout, from released code that reads it (the record itself was not available): an HDF5 file with the arrays
`sentinel2_data` [n, 12] and `planet_data` [n, ...] of 36 values, as integers of 10,000 times the reflectance.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sslbench.api import DatasetCard, DatasetSpec, PositiveFloat, PositiveInt, hookimpl, setting
from sslbench_crops.citations import CROP_PAIRS
from sslbench_crops.modalities import pair_modalities

VALUES_A, VALUES_B = 12, 36
"""Bands of Sentinel-2, and 3x3 pixels of four bands of PlanetScope."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CropPairsConfig:
    """Settings of preprocessed pairs of pixels."""

    root: Path | None = setting(
        None, "Folder or file of the dataset (null: search the usual folders; see sslbench data where)."
    )
    title: str = setting("", "Name of the data in tables, records and files ('': the dataset's name).")
    file: str = setting("pretraining_point.h5", "HDF5 file below `root`.", names_file=True)
    first: str = setting("sentinel2_data", "Array of sensor a in the file.")
    second: str = setting("planet_data", "Array of sensor b in the file.")
    values_a: PositiveInt = setting(VALUES_A, "Values of sensor a per pixel.")
    values_b: PositiveInt = setting(VALUES_B, "Values of sensor b per pixel.")
    scale: PositiveFloat = setting(10_000.0, "Number by which stored values are divided.")


def title(config: CropPairsConfig) -> str:
    """Name the data by its title, where it has one."""
    return config.title


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[CropPairsConfig]]:
    yield DatasetSpec(
        name="crop-pairs",
        version=1,
        summary="pixels of one place and date from two satellites: 12 values of Sentinel-2, 36 of PlanetScope, no labels",
        citation=CROP_PAIRS,
        config=CropPairsConfig,
        smoke=CropPairsConfig(),
        build="sslbench_crops.datasets.crop_pairs_reader:open_pairs",
        title=title,
        card=DatasetCard(
            license="see the record; not verified",
            citation=CROP_PAIRS,
            source="Zenodo record 7737587",
            obtain=(
                "download Zenodo record 7737587 and set data.root to its folder, and data.file, data.first and data.second "
                "to the file and its arrays (layout not verified)"
            ),
            target="none",
            modalities=pair_modalities(VALUES_A, VALUES_B),
        ),
    )
