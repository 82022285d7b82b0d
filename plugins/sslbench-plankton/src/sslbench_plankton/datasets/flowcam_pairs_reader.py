"""Join a FlowCam export's images with its table by run and particle, and read both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api import DataBroken, DataDescription, DataMissing, Dataset, Modality, RequestError, Source, Target
from sslbench.api.files import digest_files, find, fingerprint, read_table
from sslbench.api.image_listing import list_images
from sslbench.api.image_options import ImageOptions
from sslbench.api.image_set import ImageSet
from sslbench_plankton.datasets.flowcam_pairs import FlowcamPairsConfig
from sslbench_plankton.left_out import note_unused_columns
from sslbench_plankton.padding import pad_edges

Row = Mapping[str, str]
NONE = "none"
"""In place of a column: particles of one image are not kept together."""


def open_pairs(config: FlowcamPairsConfig, source: Source) -> Dataset:
    """Find the folder; raises DataMissing without image or table, DataBroken where they do not belong together."""
    root = find(source, ("flowcam_protist_pairs",))
    if not (root / config.table).is_file() or not (root / config.images).is_dir():
        raise DataMissing(f"{root}: has no {config.table} next to a folder {config.images}")
    files = list_images(root / config.images).files
    if not files:
        raise DataBroken(f"{root / config.images}: has no images. Set data.images to the folder of the images")
    return Measured(config, source, root, files, join_measurements(files, read_rows(root / config.table, config)))


def read_rows(table: Path, config: FlowcamPairsConfig) -> dict[tuple[str, str], Row]:
    """(run, particle) -> its row; raises DataBroken for a particle that a run has twice."""
    found: dict[tuple[str, str], Row] = {}
    for row in read_table(table, (config.key, config.run)):
        run = row[config.run].rpartition("_")[0]
        if found.setdefault((run, row[config.key]), row) is not row:
            raise DataBroken(f"{table}: run {run!r} has particle {row[config.key]!r} twice. Remove one of the rows")
    return found


def join_measurements(files: Sequence[Path], rows: Mapping[tuple[str, str], Row]) -> list[Row]:
    """Each image's row; raises DataBroken, with how many and the first, for images without one."""
    keys = [tuple(file.stem.rpartition("_")[::2]) for file in files]
    unmatched = [file for file, key in zip(files, keys, strict=True) if key not in rows]
    if unmatched:
        problem = f"data.table: has no row for {len(unmatched)} of {len(files)} images, such as {unmatched[0].name}"
        raise DataBroken(f"{problem} (named RUN_PARTICLE). Add the rows, or remove the images")
    return [rows[run, particle] for run, particle in keys]


def parse_numbers(rows: Sequence[Row], ignore: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """The columns whose every cell is a finite number and that are not the same everywhere, and their values [n, D]."""
    names, columns = [], []
    for name in rows[0]:
        try:
            values = np.array([row[name] for row in rows], np.float64)
        except ValueError:
            continue
        if name not in ignore and np.isfinite(values).all() and np.ptp(values) > 0:
            names.append(name)
            columns.append(values)
    if not names:
        raise DataBroken("data.table: has no column of numbers that differ. Correct it, or shorten data.ignore")
    return tuple(names), np.stack(columns, 1).astype(np.float32)


def source_images(rows: Sequence[Row], config: FlowcamPairsConfig) -> NDArray[np.str_]:
    """Name [n] the image that each particle was cut from, as RUN/NUMBER; '' where it is not known.

    Raises RequestError for a column that the table has not.
    """
    if config.source == NONE:
        return np.full(len(rows), "")
    if config.source not in rows[0]:
        problem = f"source={config.source}: not a column of {config.table}"
        raise RequestError([f"{problem}. Name the column with a particle's source image, or set data.source=none"])
    runs = [row[config.run].rpartition("_")[0] for row in rows]
    numbers_of = [row[config.source] for row in rows]
    return np.array([f"{run}/{number}" if number else "" for run, number in zip(runs, numbers_of, strict=True)])


class Measured:
    """Images, and what the instrument measured of them."""

    def __init__(
        self, config: FlowcamPairsConfig, source: Source, root: Path, files: Sequence[Path], rows: Sequence[Row]
    ) -> None:
        self.root, self.files, self.remember = root, files, source.work
        self.table, self.config, self.rows = root / config.table, config, rows
        self.images = ImageSet(root, files, source.work, ImageOptions(channels="color"))
        self.measured, self.values = parse_numbers(rows, config.ignore)
        folders = [file.relative_to(root / config.images).parts[0] for file in files]
        names = tuple(sorted(set(folders)))
        self.labels = np.array([names.index(folder) for folder in folders], np.int64)
        self.target = Target(kind="class", names=names)
        self.columns: Mapping[str, NDArray[np.str_]] = {
            "id": np.array([file.relative_to(root).as_posix() for file in files]),
            "run": np.array([file.stem.rpartition("_")[0] for file in files]),
            "source": source_images(rows, config),
        }
        self.modalities: Mapping[str, Modality] = {
            "image": Modality(layout="image", shape=(3, 0, 0)),
            "measurements": Modality(layout="vector", shape=(len(self.measured),)),
        }

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """A square color image [3, S, S] with its file's size, and its measurements [D]."""
        image = self.images.read(row)
        square = np.stack([pad_edges(channel) for channel in image])
        return {"image": square, "image.size": np.array(image.shape[1:]), "measurements": self.values[row]}

    def describe(self) -> DataDescription:
        """Describe the image files, and what of the table is not used."""
        used = {(row[self.config.run], row[self.config.key]) for row in self.rows}
        every = read_table(self.table, (self.config.key, self.config.run))
        unused = sum((row[self.config.run], row[self.config.key]) not in used for row in every)
        notes = [f"{unused:,} row(s) of {self.table.name} have no image and are left out"] if unused else []
        notes += note_unused_columns(self.rows, self.measured)
        return DataDescription(facts=self.images.describe(), notes=tuple(notes))

    def contents(self) -> Sequence[str]:
        """A digest of each image's bytes."""
        return digest_files(self.root, self.files, self.remember)

    def fingerprint(self) -> str:
        """A digest of names, sizes and contents, the table's too."""
        return fingerprint(self.root, [*self.files, self.table], self.remember)
