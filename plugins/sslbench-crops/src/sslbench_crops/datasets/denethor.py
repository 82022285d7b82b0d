"""DENETHOR: Sentinel-2 series of pixels of parcels in Brandenburg. Spec only; the implementation is `denethor_reader`.

Layout, from public code that reads it (the data was not available): one folder per area with bands.npy
[dates, height, width, 12] and labels.geojson, whose features have the properties fid and crop_name and coordinates in the
system of the image. The published bbox.pkl and timestamp.pkl are pickles, which can run code when they are opened. Their
content is read from a JSON file instead: {"bounds": [min_x, min_y, max_x, max_y], "dates": ["2018-01-01", ...]}.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sslbench.api import DatasetCard, DatasetSpec, NonNegativeInt, PositiveFloat, PositiveInt, Share, hookimpl, setting
from sslbench_crops.citations import DENETHOR
from sslbench_crops.modalities import series_modality

CROPS = ("Wheat", "Rye", "Barley", "Oats", "Corn", "Oil Seeds", "Root Crops", "Meadows", "Forage Crops")
DATES, BANDS = 144, 12


@dataclass(frozen=True, slots=True, kw_only=True)
class DenethorConfig:
    """Settings of DENETHOR. Parcels are divided into splits, and the same number of pixels of every crop is drawn.

    Part `area-1`: a share of the parcels is for pretraining and left out here; the first part of the others, crop by crop and
    in file order, is for training. Part `area-2` has no parcels for pretraining.
    """

    root: Path | None = setting(
        None, "Folder of the dataset (null: search the usual folders; see sslbench data where)."
    )
    title: str = setting("", "Name of the data in tables, records and files ('': the dataset's name).")
    area_1: str = setting("train", "Folder of the area of part `area-1` below `root`.", names_file=True)
    area_2: str = setting("test", "Folder of the area of part `area-2` below `root`.", names_file=True)
    bands: str = setting("bands.npy", "Array of reflectances in each folder.", names_file=True)
    labels: str = setting("labels.geojson", "Polygons of the parcels in each folder.", names_file=True)
    grid: str = setting("grid.json", "Bounds of the image and its dates in each folder.", names_file=True)
    splits: str = setting(
        "",
        "Table in each folder with the columns parcel and split (pretraining, train, test), instead of a division by `seed`.",
        names_file=True,
    )
    dates: PositiveInt = setting(DATES, "Number of dates of a series.")
    pretraining_share: Share = setting(0.7, "Share of the parcels of `area-1` that are for pretraining.")
    train_share: Share = setting(0.7, "Share of the other parcels of every crop that are for training.")
    train_per_class: NonNegativeInt = setting(5000, "Pixels of each crop drawn for training (0: all).")
    test_per_class: NonNegativeInt = setting(1000, "Pixels of each crop drawn for the test set (0: all).")
    replacement: bool = setting(True, "Draw pixels with replacement, as the released code does.")
    scale: PositiveFloat = setting(10_000.0, "Number by which stored values are divided.")
    seed: NonNegativeInt = setting(32, "Seed of the division of parcels and of the draw.")


def title(config: DenethorConfig) -> str:
    """Name the data by its title, where it has one."""
    return config.title


def parts(config: DenethorConfig) -> tuple[str, ...]:
    """Return the two areas, of different years."""
    return ("area-1", "area-2")


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[DenethorConfig]]:
    yield DatasetSpec(
        name="denethor",
        version=1,
        summary="Sentinel-2 series of 144 dates of pixels in Brandenburg: nine crops in two areas, split by parcel",
        citation=DENETHOR,
        config=DenethorConfig,
        smoke=DenethorConfig(train_per_class=20, test_per_class=10),
        build="sslbench_crops.datasets.denethor_reader:open_area",
        parts=parts,
        title=title,
        card=DatasetCard(
            license="see the publication; not verified",
            citation=DENETHOR,
            source="DENETHOR, the AI4EO Food Security Challenge (Germany)",
            obtain=(
                "download the Sentinel-2 images and labels of both areas, and write grid.json from bbox.pkl and "
                "timestamp.pkl in each folder (layout not verified; see the README of sslbench-crops)"
            ),
            groups=("parcel",),
            modalities=series_modality("a", DATES, BANDS),
        ),
    )
