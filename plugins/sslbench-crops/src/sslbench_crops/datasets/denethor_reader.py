"""Read DENETHOR: polygons of parcels, and the series of the pixels inside them."""

from __future__ import annotations

import datetime
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api import DataBroken, DataDescription, DataMissing, Dataset, Source, Target
from sslbench.api.files import find, fingerprint, read_table
from sslbench_crops.balanced import ClassDraw, divide_in_order, draw_rows, number_repeats, read_parcel_parts
from sslbench_crops.datasets.denethor import BANDS, CROPS, DenethorConfig
from sslbench_crops.modalities import series_modality
from sslbench_crops.parcel_pixels import PixelGrid, find_pixels, rings_of


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AreaFiles:
    """The checked files of an area: reflectances [dates, height, width, 12], the grid, and the features of the labels."""

    bands: NDArray[Any]
    grid: PixelGrid
    features: list[Mapping[str, Any]]


def open_area(config: DenethorConfig, source: Source) -> Dataset:
    """Open an area; raises DataMissing without a file, DataBroken for files that do not fit each other."""
    root = find(source, ("denethor", "DENETHOR"))
    folder = root / (config.area_1 if source.part == "area-1" else config.area_2)
    files = [folder / name for name in (config.bands, config.labels, config.grid, config.splits) if name]
    if missing := [path for path in files if not path.is_file()]:
        raise DataMissing(f"{folder} has no {missing[0].name}")
    opened = read_area(files[0], files[1], files[2], config.dates)
    parcels = np.array([str(one["properties"]["fid"]) for one in opened.features])
    crops = np.array([one["properties"]["crop_name"] for one in opened.features])
    names, counts = np.unique(parcels, return_counts=True)
    if (counts > 1).any():
        twice = str(names[counts > 1][0])
        raise DataBroken(f"{files[1]}: has parcel {twice!r} twice, so it could be in two splits. Remove one of them")
    split = _divide(config, source.part, parcels, crops, files[3] if config.splits else None)
    return ParcelPixels(config, source, files, opened, split)


def read_area(bands: Path, labels: Path, grid: Path, dates: int) -> AreaFiles:
    """Open the files of an area; raises DataBroken for another number of bands or dates, and for unordered dates."""
    try:
        stored = np.load(bands, mmap_mode="r", allow_pickle=False)
        described = json.loads(grid.read_text())
        features = json.loads(labels.read_text())["features"]
        low_x, low_y, high_x, high_y = map(float, described["bounds"])
        days = [datetime.date.fromisoformat(day[:10]) for day in described["dates"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataBroken(f"{bands.parent}: a file is not in the stated format ({error!r}). Write it again") from error
    if stored.ndim != 4 or stored.shape[3] != BANDS:
        raise DataBroken(f"{bands}: has {stored.shape[-1]} bands, not {BANDS}. Remove bands")
    if len(stored) != dates or len(days) != dates:
        problem = f"{bands} has {len(stored)} dates and {grid.name} {len(days)}, not {dates}"
        raise DataBroken(f"{problem}. Set data.dates, or use the files of one area")
    for earlier, later in itertools.pairwise(days):
        if later <= earlier:
            raise DataBroken(f"{grid}: date {later} follows {earlier}. Sort dates and bands in ascending order")
    unknown = sorted({str(one["properties"].get("crop_name")) for one in features} - set(CROPS))
    if unknown:
        raise DataBroken(f"{labels}: has crop {unknown[0]!r}. Use {', '.join(CROPS)}")
    image = PixelGrid(height=stored.shape[1], width=stored.shape[2], bounds=(low_x, low_y, high_x, high_y))
    return AreaFiles(bands=stored, grid=image, features=features)


def _divide(
    config: DenethorConfig, part: str, parcels: NDArray[np.str_], crops: NDArray[np.str_], table: Path | None
) -> NDArray[np.str_]:
    """Return the split [n] of every parcel, of a table or drawn; raises DataBroken for a parcel without split."""
    if table is not None:
        rows = [(row["parcel"], row["split"]) for row in read_table(table, ("parcel", "split"))]
        found = read_parcel_parts(rows, table)
        if missing := [name for name in parcels.tolist() if name not in found]:
            raise DataBroken(f"{table}: has no split for parcel {missing[0]!r}. Add it")
        return np.array([found[name] for name in parcels.tolist()])
    count = int(config.pretraining_share * len(parcels) + 1e-9) if part == "area-1" else 0
    chosen = np.random.default_rng(config.seed).permutation(len(parcels))[:count]
    split = np.full(len(parcels), "test", dtype="<U11")
    split[chosen] = "pretraining"
    rest = np.flatnonzero(split != "pretraining")
    split[rest[divide_in_order(crops[rest], config.train_share)]] = "train"
    return split


class ParcelPixels:
    """The series of drawn pixels. A pixel that lies in two parcels belongs to the first."""

    def __init__(
        self, config: DenethorConfig, source: Source, files: list[Path], area: AreaFiles, split: NDArray[np.str_]
    ) -> None:
        self.config, self.files, self.remember, self.bands = config, files, source.work, area.bands
        owner = np.full((area.grid.height, area.grid.width), -1, np.int64)
        for number, feature in reversed(list(enumerate(area.features))):
            row, column = find_pixels(rings_of(feature["geometry"]), area.grid).T
            owner[row, column] = number
        self.places = np.argwhere(owner >= 0)
        parcel = owner[owner >= 0]
        codes = np.array([CROPS.index(one["properties"]["crop_name"]) for one in area.features], np.int64)
        draw = ClassDraw(
            train=config.train_per_class, test=config.test_per_class, replacement=config.replacement, seed=config.seed
        )
        drawn = draw_rows(split[parcel], codes[parcel], CROPS, draw)
        self.notes, self.places, parcel = drawn.notes, self.places[drawn.rows], parcel[drawn.rows]
        if not len(parcel):
            raise DataBroken(f"{files[1]}: no parcel covers a pixel of the image. Use one system of coordinates")
        self.labels: NDArray[Any] = codes[parcel]
        self.target = Target(kind="class", names=CROPS)
        names = np.array([f"{source.part}/{one['properties']['fid']}" for one in area.features])
        place = [f"-{row}-{column}" for row, column in self.places.tolist()]
        self.columns: Mapping[str, NDArray[np.str_]] = {
            "id": number_repeats(np.char.add(names[parcel], place)),
            "parcel": names[parcel],
            "split": split[parcel],
        }
        self.modalities = series_modality("a", config.dates, BANDS)

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """Return one series as reflectances; raises DataBroken for a value that is not finite."""
        y, x = self.places[row]
        series = (self.bands[:, y, x] / self.config.scale).astype(np.float32)
        if (wrong := np.argwhere(~np.isfinite(series))).size:
            date, band = wrong[0].tolist()
            raise DataBroken(f"pixel {y}, {x} has {series[date, band]} in band {band}, date {date}. Leave it out")
        return {"series-a": series}

    def describe(self) -> DataDescription:
        """State how parcels are divided, and which crops have too few pixels."""
        facts = {"parcels": f"{len(set(self.columns['parcel'].tolist())):,}"}
        known = "no parcel is in two splits; which parcels the published pairs contain is not known"
        return DataDescription(facts=facts, notes=(known, *self.notes))

    def fingerprint(self) -> str:
        """Return a digest of all files."""
        return fingerprint(self.files[0].parent, self.files, self.remember)
