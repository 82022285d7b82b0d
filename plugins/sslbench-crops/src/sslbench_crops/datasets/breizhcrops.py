"""BreizhCrops: Sentinel-2 series of parcels in Brittany. Spec only; the implementation is `breizhcrops_reader`.

Layout, from the public code that reads it: ROOT/YEAR/LEVEL/REGION.csv lists the parcels of a region (path, CODE_CULTU,
sequencelength), ROOT/YEAR/LEVEL/REGION.h5 holds one array [T, 17] for each path, and ROOT/classmapping.csv maps CODE_CULTU to
class names. The columns of level L1C are 13 bands, three quality masks and the day of acquisition in nanoseconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from sslbench.api import DatasetCard, DatasetSpec, NonEmpty, NonNegativeInt, PositiveFloat, Range, hookimpl, setting
from sslbench_crops.citations import BREIZHCROPS
from sslbench_crops.modalities import series_modality

Band = Literal["B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B9", "B10", "B11", "B12"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BreizhCropsConfig:
    """Settings of BreizhCrops. Its level L1C has 13 bands, and the data for pretraining 12: one band is dropped."""

    root: Path | None = setting(
        None, "Folder of the dataset (null: search the usual folders; see sslbench data where)."
    )
    title: str = setting("", "Name of the data in tables, records and files ('': the dataset's name).")
    folder: str = setting("2018/L1C", "Folder of the year and level below `root`.", names_file=True)
    classmapping: str = setting("classmapping.csv", "Table of classes below `root`.", names_file=True)
    regions: NonEmpty[str] = setting(("frh01", "frh02", "frh03", "frh04"), "Regions whose parcels are used.")
    dropped_band: Band = setting("B10", "Band of L1C that is dropped; the paper does not name it.")
    dropped_classes: tuple[str, ...] = setting(("sunflower", "orchards", "nuts"), "Classes that are left out.")
    longer_than: NonNegativeInt = setting(142, "Number of dates that parcels must exceed.")
    train_per_class: NonNegativeInt = setting(9000, "Parcels of each class drawn for training (0: all).")
    test_per_class: NonNegativeInt = setting(1000, "Parcels of each class drawn for the test set (0: all).")
    test_share: Annotated[float, Range(above=0, below=1)] = setting(
        0.1, "Share of the parcels of each class from which the test set is drawn."
    )
    replacement: bool = setting(False, "Draw parcels with replacement, so that every class has the stated number.")
    scale: PositiveFloat = setting(10_000.0, "Number by which stored values are divided.")
    seed: NonNegativeInt = setting(32, "Seed of the division of parcels and of the draw.")


def title(config: BreizhCropsConfig) -> str:
    """Name the data by its title, where it has one."""
    return config.title


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[BreizhCropsConfig]]:
    yield DatasetSpec(
        name="breizhcrops",
        version=1,
        summary="Sentinel-2 series (L1C) of parcels in Brittany with more than 142 dates, six crops drawn in equal numbers",
        citation=BREIZHCROPS,
        config=BreizhCropsConfig,
        smoke=BreizhCropsConfig(),
        build="sslbench_crops.datasets.breizhcrops_reader:open_parcels",
        title=title,
        card=DatasetCard(
            license="see github.com/dl4sits/BreizhCrops; not verified",
            citation=BREIZHCROPS,
            source="github.com/dl4sits/BreizhCrops, 2018, level L1C",
            obtain=(
                "download classmapping.csv, and REGION.csv and REGION.h5 of 2018/L1C, with the links of "
                "github.com/dl4sits/BreizhCrops"
            ),
            groups=("parcel",),
            modalities=series_modality("a", 0, 12),
        ),
    )
