"""Plankton images as a dataset: gray, cut to what shows the individual, padded to squares (arXiv 2503.11341, section 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api import DataBroken, DataDescription, Modality, Target
from sslbench.api.files import digest_files, fingerprint
from sslbench.api.image_options import GrayOrColor, ImageOptions
from sslbench.api.image_set import ImageSet
from sslbench_plankton.left_out import note_unused_images
from sslbench_plankton.padding import pad_square

Box = tuple[int, int, int, int]
NO_FOLDER, NO_BOX, NO_ROW = "not in a class folder", "no annotation names them", "the table does not name them"
"""Reasons for which images are not used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """One individual: the file that shows it, where in it (left, top, right, bottom; None: everywhere), its class ('':
    unknown), the part of a published split that it belongs to and the instrument that took it ('': unknown).
    """

    file: Path
    label: str = ""
    box: Box | None = None
    split: str = ""
    instrument: str = ""


class PlanktonImages:
    """The individuals below `root`; `legend` rows at the bottom of every file are no image.

    `metadata_files` state what is where: annotations, tables, lists of a split. Where individuals are cut out by
    boxes, the column `source` names the image of each. Color is converted to gray, as in the study, unless `channels` is
    color. `searched` is the folder of all images and why some are not used, `notes` what else was left out.
    """

    def __init__(
        self,
        root: Path,
        specimens: Sequence[Specimen],
        remember: Path,
        *,
        legend: int = 0,
        metadata_files: Sequence[Path] = (),
        channels: GrayOrColor = "gray",
        searched: tuple[Path, str] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        self.root, self.specimens, self.remember = root, specimens, remember
        self.legend, self.metadata_files = legend, metadata_files
        self.searched, self.notes = searched, notes
        names = tuple(sorted({specimen.label for specimen in specimens} - {""}))
        code = {name: place for place, name in enumerate(names)} | {"": -1}
        self.labels = np.array([code[specimen.label] for specimen in specimens], np.int64)
        self.target = Target(kind="class", names=names) if names else Target(kind="none")
        self.columns: Mapping[str, NDArray[np.str_]] = {"id": np.array(list(self._ids()))}
        for name in ("split", "instrument"):
            if any(values := [getattr(specimen, name) for specimen in specimens]):
                self.columns = {**self.columns, name: np.array(values)}
        if any(specimen.box is not None for specimen in specimens):
            self.columns = {**self.columns, "source": np.array(self._sources())}
        files = list(dict.fromkeys(specimen.file for specimen in specimens))
        self.numbers = {file: number for number, file in enumerate(files)}
        self.images = ImageSet(root, files, remember, ImageOptions(channels=channels))
        self.modalities: Mapping[str, Modality] = {
            "image": Modality(layout="image", shape=(self.images.channels, 0, 0))
        }

    def _sources(self) -> Sequence[str]:
        """The path of the image that each individual was cut from: individuals of one image share it."""
        return [specimen.file.relative_to(self.root).as_posix() for specimen in self.specimens]

    def _ids(self) -> Sequence[str]:
        """Paths, with the box where a file shows several individuals."""
        boxes = [specimen.box for specimen in self.specimens]
        return [
            path if box is None else f"{path}#{','.join(map(str, box))}"
            for path, box in zip(self._sources(), boxes, strict=True)
        ]

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """One square image [C, S, S], and its size before padding; raises DataBroken for a box that shows nothing."""
        specimen = self.specimens[row]
        image = self.images.read(self.numbers[specimen.file])
        image = image[:, : max(0, image.shape[1] - self.legend)]
        if specimen.box is not None:
            left, top, right, bottom = specimen.box
            image = image[:, max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
        if not image.size:
            raise DataBroken(
                f"data.legend={self.legend}: leaves nothing of the image. Lower it"
                if specimen.box is None
                else f"the box {specimen.box} contains no pixel of the image. Correct the image's annotation"
            )
        square = np.stack([pad_square(channel, rng) for channel in image])
        return {"image": square, "image.size": np.array(image.shape[1:])}

    def describe(self) -> DataDescription:
        """Describe the image files, and which are not used."""
        unused = note_unused_images(self.searched[0], self.numbers, self.searched[1]) if self.searched else []
        return DataDescription(facts=self.images.describe(), notes=(*self.notes, *unused))

    def contents(self) -> Sequence[str]:
        """A digest of each file's bytes, and behind a '#' the box in it."""
        digests = digest_files(self.root, [specimen.file for specimen in self.specimens], self.remember)
        boxes = [specimen.box for specimen in self.specimens]
        return [d if box is None else f"{d}#{box}" for d, box in zip(digests, boxes, strict=True)]

    def fingerprint(self) -> str:
        """A digest of names, sizes and contents."""
        files = list(dict.fromkeys([*(specimen.file for specimen in self.specimens), *self.metadata_files]))
        return fingerprint(self.root, files, self.remember)
