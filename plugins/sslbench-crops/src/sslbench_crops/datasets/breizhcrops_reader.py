"""Read BreizhCrops: the index of each region, and one array per parcel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from sslbench.api import DataBroken, DataDescription, DataMissing, Dataset, RequestError, Source, Target
from sslbench.api.files import find, fingerprint, read_table
from sslbench_crops.balanced import ClassDraw, divide_at_random, draw_rows, number_repeats
from sslbench_crops.datasets.breizhcrops import Band, BreizhCropsConfig
from sslbench_crops.hdf5_files import open_hdf5
from sslbench_crops.modalities import series_modality

COLUMNS = (
    "B1",
    "B10",
    "B11",
    "B12",
    "B2",
    "B3",
    "B4",
    "B5",
    "B6",
    "B7",
    "B8",
    "B8A",
    "B9",
    "QA10",
    "QA20",
    "QA60",
    "doa",
)
"""Columns of an array of level L1C."""
BANDS: tuple[str, ...] = get_args(Band)
"""Bands in the order of the pretraining data: by wavelength."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexedParcel:
    """A row of a region's index: the region, the parcel's path in the HDF5 file, and its class."""

    region: str
    path: str
    crop: str

    @property
    def name(self) -> str:
        """Return the region and the name of the path, which is the parcel's number."""
        return f"{self.region}/{Path(self.path).stem}"


def open_parcels(config: BreizhCropsConfig, source: Source) -> Dataset:
    """Open all regions; raises DataMissing without a file, DataBroken for a wrong index or a truncated HDF5 file."""
    root = find(source, ("breizhcrops",))
    files = [root / config.classmapping]
    for region in config.regions:
        files += [root / config.folder / f"{region}{suffix}" for suffix in (".csv", ".h5")]
    if missing := [path for path in files if not path.is_file()]:
        raise DataMissing(f"{root} has no {missing[0].relative_to(root)}")
    for path in files[2::2]:
        with open_hdf5(path):
            pass  # a truncated file is found here, not after hours
    classes = read_classes(files[0], config)
    parcels = [one for path in files[1::2] for one in read_index(path, classes, config)]
    if not parcels:
        raise RequestError(
            [f"longer_than={config.longer_than}: no parcel of these classes has so many dates. Lower it"]
        )
    return Parcels(config, source, root, files, parcels)


def read_classes(path: Path, config: BreizhCropsConfig) -> dict[str, str]:
    """Return CODE_CULTU -> class name, without dropped classes; raises RequestError for a class that does not exist."""
    found = {row["code"]: row["classname"] for row in read_table(path, ("code", "classname"))}
    known = sorted(set(found.values()))
    if unknown := [name for name in config.dropped_classes if name not in known]:
        problem = f"dropped_classes: {path.name} has no class {unknown[0]!r}; it has: {', '.join(known)}"
        raise RequestError([f"{problem}. Remove it"])
    return {code: name for code, name in found.items() if name not in config.dropped_classes}


def read_index(path: Path, classes: Mapping[str, str], config: BreizhCropsConfig) -> list[IndexedParcel]:
    """Return the parcels of a region that are used; raises DataBroken for a parcel that is listed twice."""
    found: dict[str, IndexedParcel] = {}
    for row in read_table(path, ("CODE_CULTU", "path", "sequencelength")):
        if row["CODE_CULTU"] not in classes or float(row["sequencelength"] or 0) <= config.longer_than:
            continue
        parcel = IndexedParcel(region=path.stem, path=row["path"], crop=classes[row["CODE_CULTU"]])
        if found.setdefault(parcel.name, parcel) is not parcel:
            raise DataBroken(
                f"{path}: lists parcel {parcel.name!r} twice, so it could be in two splits. Remove one of the rows"
            )
    return list(found.values())


class Parcels:
    """One series per drawn parcel."""

    def __init__(
        self,
        config: BreizhCropsConfig,
        source: Source,
        root: Path,
        files: Sequence[Path],
        parcels: Sequence[IndexedParcel],
    ) -> None:
        self.config, self.root, self.files, self.remember = config, root, files, source.work
        names = tuple(sorted({one.crop for one in parcels}))
        labels = np.array([names.index(one.crop) for one in parcels], np.int64)
        split = divide_at_random(labels, config.test_share, config.seed)
        draw = ClassDraw(
            train=config.train_per_class, test=config.test_per_class, replacement=config.replacement, seed=config.seed
        )
        drawn = draw_rows(split, labels, names, draw)
        self.notes = drawn.notes
        self.parcels = [parcels[row] for row in drawn.rows]
        self.labels: NDArray[Any] = labels[drawn.rows]
        self.target = Target(kind="class", names=names)
        own = np.array([one.name for one in self.parcels])
        self.columns: Mapping[str, NDArray[np.str_]] = {
            "id": number_repeats(own),
            "parcel": own,
            "region": np.array([one.region for one in self.parcels]),
            "split": split[drawn.rows],
        }
        self.bands = [name for name in BANDS if name != config.dropped_band]
        self.modalities = series_modality("a", 0, len(self.bands))

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """Return one series as reflectances; raises DataBroken for other columns, NaN, or dates out of order."""
        parcel = self.parcels[row]
        with open_hdf5(self.root / self.config.folder / f"{parcel.region}.h5") as file:
            if parcel.path not in file:
                raise DataBroken(f"{file.filename} has no array {parcel.path!r}. Download it again")
            values = np.asarray(file[parcel.path])
        if values.ndim != 2 or values.shape[1] != len(COLUMNS):
            problem = f"{parcel.path!r} has {values.shape[-1]} columns, not {len(COLUMNS)}"
            raise DataBroken(f"{problem} ({', '.join(COLUMNS)}). Use level L1C, with all of its bands")
        if (np.diff(values[:, COLUMNS.index("doa")]) <= 0).any():
            raise DataBroken(f"{parcel.path!r}: its dates are not in ascending order. Sort them")
        series = (values[:, [COLUMNS.index(name) for name in self.bands]] / self.config.scale).astype(np.float32)
        if (wrong := np.argwhere(~np.isfinite(series))).size:
            date, band = wrong[0].tolist()
            raise DataBroken(
                f"{parcel.path!r} has {series[date, band]} in band {self.bands[band]}, date {date}. Leave it out"
            )
        return {"series-a": series}

    def describe(self) -> DataDescription:
        """State which band is dropped, and which classes have too few parcels."""
        known = f"band {self.config.dropped_band} of 13 is dropped; the paper does not state which it drops"
        facts = {"bands": ", ".join(self.bands), "dates": f"more than {self.config.longer_than}"}
        return DataDescription(facts=facts, notes=(known, *self.notes))

    def fingerprint(self) -> str:
        """Return a digest of all files."""
        return fingerprint(self.root, list(self.files), self.remember)
