"""Write small files in the published layouts, for tests of readers. Their values are random."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
from sslbench_crops.datasets.breizhcrops_reader import COLUMNS
from sslbench_crops.datasets.denethor import CROPS

CLASSES = {"BTH": "wheat", "ORH": "barley", "CZH": "rapeseed", "MIS": "corn", "PPH": "permanent meadows",
           "PTR": "temporary meadows", "TRN": "sunflower", "VRG": "orchards", "NOX": "nuts"}  # fmt: skip


def write_pairs(folder: Path, rows: int = 40, values: int = 12) -> Path:
    """Write pairs of pixels as released code reads them."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    with h5py.File(folder / "pretraining_point.h5", "w") as file:
        file["sentinel2_data"] = rng.integers(0, 10_000, (rows, values), dtype=np.uint16)
        file["planet_data"] = rng.integers(0, 10_000, (rows, 1, 4, 3, 3), dtype=np.uint16)
    return folder / "pretraining_point.h5"


def write_area(folder: Path, bands: int = 12, dates: int = 144, parcels_per_crop: int = 10) -> None:
    """Write an area: a column of pixels per crop and parcel, 2 pixels wide and 2 high, within bounds of 10 m pixels."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    height, width = 2 * len(CROPS), 2 * parcels_per_crop
    np.save(folder / "bands.npy", rng.integers(0, 10_000, (dates, height, width, bands), dtype=np.uint16))
    days = np.datetime64("2018-01-01") + np.arange(dates) * 2
    grid = {"bounds": [1000, 5000, 1000 + 10 * width, 5000 + 10 * height], "dates": [str(day) for day in days]}
    (folder / "grid.json").write_text(json.dumps(grid))
    top, features = 5000 + 10 * height, []
    for row, crop in enumerate(CROPS):
        for column in range(parcels_per_crop):
            west, north = 1000 + 20 * column, top - 20 * row
            ring = [[west, north], [west + 20, north], [west + 20, north - 20], [west, north - 20], [west, north]]
            features.append({"type": "Feature", "properties": {"fid": len(features), "crop_name": crop},
                             "geometry": {"type": "Polygon", "coordinates": [ring]}})  # fmt: skip
    (folder / "labels.geojson").write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def write_breizhcrops(root: Path, regions: tuple[str, ...] = ("frh01", "frh02", "frh03", "frh04")) -> Path:
    """Write parcels of nine classes in every region; of each class one has 100 dates, and the others more than 142."""
    folder = root / "2018/L1C"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    lines = [f"{number},{code},{number},{name}" for number, (code, name) in enumerate(CLASSES.items())]
    (root / "classmapping.csv").write_text("\n".join([",code,id,classname", *lines]) + "\n")
    for region in regions:
        rows = [",CODE_CULTU,path,meanQA60,id,idx,sequencelength"]
        with h5py.File(folder / f"{region}.h5", "w") as file:
            for code in CLASSES:
                for steps in (100, 143, 150, 160):
                    number = len(rows)
                    values = rng.integers(0, 10_000, (steps, len(COLUMNS))).astype(np.float64)
                    values[:, -1] = np.arange(steps) * 86_400e9
                    file[f"{region}/{number}.csv"] = values
                    rows.append(f"{number},{code},{region}/{number}.csv,0,{number},{number},{steps}")
        (folder / f"{region}.csv").write_text("\n".join(rows) + "\n")
    return root


def write_watch(folder: Path, channels: int = 6) -> Path:
    """Write recordings in the layout of watch.npz: 2 exercises x 10 subjects x 2 sides."""
    folder.mkdir(parents=True, exist_ok=True)
    exercise, subject, side = (part.ravel() for part in np.meshgrid([0, 1], np.arange(1, 11), [0, 1], indexing="ij"))
    length = 340 + 10 * np.arange(len(subject))  # the kit plans 12 of these windows, of all five subjects for pairs
    values = np.random.default_rng(0).normal(size=(int(length.sum()), channels)).astype(np.float32)
    np.savez(folder / "watch.npz", values=values, length=length, exercise=exercise, subject=subject, side=side,
             exercise_names=np.array(["lift", "turn"]))  # fmt: skip
    return folder / "watch.npz"


def write_motions(folder: Path, dimensions: int = 6) -> None:
    """Write both files of BasicMotions: 8 series of 4 classes each, of 100 steps."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for split in ("TRAIN", "TEST"):
        lines = [
            "#a comment",
            "@problemName BasicMotions",
            "@classLabel true Standing Running Walking Badminton",
            "@data",
        ]
        for number in range(8):
            series = [",".join(f"{value:.6f}" for value in rng.normal(size=100)) for _ in range(dimensions)]
            lines.append(":".join([*series, ("Standing", "Running", "Walking", "Badminton")[number % 4]]))
        (folder / f"BasicMotions_{split}.ts").write_text("\n".join(lines) + "\n")
