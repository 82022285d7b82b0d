"""Read one part of the CytoSense set: legend rows cut, images padded by their edges, pulses scaled as its study does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api import DataBroken, DataDescription, DataMissing, Dataset, Modality, Source, Target
from sslbench.api.files import digest_files, fingerprint, read_table
from sslbench.api.image_options import ImageOptions
from sslbench.api.image_set import ImageSet
from sslbench_plankton.datasets.cytosense import CytosenseConfig
from sslbench_plankton.images import NO_ROW
from sslbench_plankton.left_out import note_unused_images
from sslbench_plankton.padding import pad_edges
from sslbench_plankton.pulses import scale_counts
from sslbench_plankton.trees import open_tree

NAMES, TABLE = ("cytosense", "SYKE-plankton_CytoSense_2025", "SYKE-plankton_CytoSense_2025.zip"), "annotations.csv"
COLUMNS = ("image", "profile", "class")


def open_part(config: CytosenseConfig, source: Source) -> Dataset:
    """Find a part's folder; raises DataMissing without one, DataBroken for a table that does not match the files."""
    folder = open_tree(source, NAMES, source.part.upper())
    if not (folder / TABLE).is_file():
        raise DataMissing(f"no {TABLE} in {folder}")
    labeled = source.part != "uto"
    rows = read_table(folder / TABLE, COLUMNS if labeled else COLUMNS[:2])
    for row in rows:
        for name in COLUMNS[:2]:
            if not (folder / row[name]).resolve().is_relative_to(folder.resolve()):
                raise DataBroken(f"{folder / TABLE}: path {row[name]!r} is outside the folder. Fetch the set again")
            if not (folder / row[name]).is_file():
                raise DataBroken(f"{folder / TABLE}: {row[name]!r} is not there; fetch the set again")
    if not rows:
        raise DataBroken(f"{folder / TABLE} has no row; fetch the set again")
    return Particles(config, source, folder, rows, labeled=labeled)


class Particles:
    """The rows of a part's table."""

    def __init__(
        self,
        config: CytosenseConfig,
        source: Source,
        folder: Path,
        rows: Sequence[Mapping[str, str]],
        *,
        labeled: bool,
    ) -> None:
        self.config, self.folder, self.rows, self.remember = config, folder, rows, source.work
        files = [folder / row["image"] for row in rows]
        self.images = ImageSet(folder, files, source.work, ImageOptions(channels="gray"))
        names = tuple(sorted({row["class"] for row in rows} - {""})) if labeled else ()
        code = {name: place for place, name in enumerate(names)}
        self.labels = np.array([code.get(row.get("class", ""), -1) for row in rows], np.int64)
        self.target = Target(kind="class", names=names) if names else Target(kind="none")
        self.columns: Mapping[str, NDArray[np.str_]] = {"id": np.array([row["image"] for row in rows])}
        self.modalities: Mapping[str, Modality] = {
            "image": Modality(layout="image", shape=(1, 0, 0)),
            "profile": Modality(layout="sequence", shape=(0, len(config.bands))),
        }

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """A gray square image [1, S, S] with its file's size, and a scaled profile [T, bands]."""
        gray = self.images.read(row)[0]
        if len(gray) <= self.config.legend:
            raise DataBroken(
                f"data.legend={self.config.legend}: leaves nothing of an image of {len(gray)} rows. Lower it"
            )
        profile = self._profile(self.folder / self.rows[row]["profile"])
        return {
            "image": pad_edges(gray[self.config.legend :])[None],
            "image.size": np.array(gray.shape),
            "profile": scale_counts(profile),
        }

    def describe(self) -> DataDescription:
        """Describe the image files, and which the table does not name."""
        notes = note_unused_images(self.folder, {*self.images.files}, NO_ROW)
        return DataDescription(facts=self.images.describe(), notes=tuple(notes))

    def _profile(self, path: Path) -> NDArray[np.float32]:
        """Counts [T, bands], none below 0; raises DataBroken for a table that has not all bands, or no number."""
        try:
            counts = np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2, dtype=np.float32)
        except ValueError as error:
            raise DataBroken(f"{path.name} is no table of numbers: {error}. Fetch the set again") from error
        if not len(counts):
            raise DataBroken(f"{path.name} has no rows. Fetch the set again")
        if counts.shape[1] <= max(self.config.bands):
            problem = f"data.bands={list(self.config.bands)}: {path.name} has only columns 0 to {counts.shape[1] - 1}"
            raise DataBroken(f"{problem}. Leave out the other numbers")
        if not np.isfinite(counts).all():
            raise DataBroken(f"{path.name} holds a number that is not finite. Fetch the set again")
        return np.clip(counts[:, list(self.config.bands)], 0, None)

    def _files(self) -> list[Path]:
        return [self.folder / row[name] for row in self.rows for name in COLUMNS[:2]]

    def contents(self) -> Sequence[str]:
        """A digest of each particle's two files."""
        digests = digest_files(self.folder, self._files(), self.remember)
        return [f"{first}+{second}" for first, second in zip(digests[::2], digests[1::2], strict=True)]

    def fingerprint(self) -> str:
        """A digest of names, sizes and contents, the table's too."""
        return fingerprint(self.folder, [self.folder / TABLE, *dict.fromkeys(self._files())], self.remember)
