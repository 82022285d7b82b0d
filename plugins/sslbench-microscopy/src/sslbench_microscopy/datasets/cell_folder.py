"""Anybody's crops of cells, as a dataset. Spec only: finding the files is `image-folder`'s, framing is in `framing`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from sslbench.api import DatasetCard, DatasetSpec, Dependency, PositiveInt, Range, hookimpl, setting
from sslbench.api.files import name_folder
from sslbench.api.image_options import Channels, IntensityRange, Pages, channels_setting
from sslbench_microscopy.citations import BIAS_STUDY

LARGEST = 4096
PASSED = (
    "root",
    "levels",
    "skip",
    "table",
    "copies",
    "channels",
    "pages",
    "intensity_range",
    "min_class_samples",
    "classes",
)
"""Settings that are passed on to `image-folder` as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFolderConfig:
    """Settings of a folder of single-cell images; further settings mean what they mean for `image-folder`."""

    root: Path | None = setting(None, "Folder of the images.")
    title: str = setting("", "Name of the data in tables, records and files ('': the folder's name).")
    levels: tuple[str, ...] = setting((), "Meaning of each folder level, such as [split, class] (empty: recognized).")
    skip: tuple[str, ...] = setting((), "Folders that are not read.")
    table: str = setting(
        "auto", "Table of paths, classes and splits (auto: search for one; none: ignore tables).", names_file=True
    )
    copies: Literal["keep", "drop"] = setting("keep", "Identical files: keep them all, or drop all but one.")
    channels: Channels = channels_setting("auto", "auto, gray, color, or the channels to read, counted from 0.")
    pages: Pages = setting(None, "Pages of multi-page files to read (null: files of one page only).")
    intensity_range: IntensityRange = setting(
        "percentiles", "Range of images of more than 8 bits: percentiles of the dataset, full, or two numbers."
    )
    min_class_samples: PositiveInt = setting(1, "Classes with fewer images are left out.", old_names=("minimum",))
    classes: tuple[str, ...] = setting((), "Classes to read (empty: all).")
    side: Annotated[int, Range(at_least=0, at_most=LARGEST)] = setting(
        196, "Side of the square on which each cell is placed without resizing, in pixels (0: images stay as they are)."
    )
    source: str = setting(
        r"^(.+)[ _-]\d+\.\w+$",
        "Regular expression for the part of a file name that names the source image; cells of one image stay together.",
    )

    def __post_init__(self) -> None:
        """Refuse what is no regular expression."""
        try:
            re.compile(self.source)
        except re.error as error:
            raise ValueError(f"source: '{self.source}' is no regular expression: {error}") from error


def uses(config: CellFolderConfig) -> Mapping[str, Dependency]:
    """The folder."""
    settings: dict[str, Any] = {name: getattr(config, name) for name in PASSED}
    return {"folder": Dependency(kind="dataset", name="image-folder", settings=settings)}


def title(config: CellFolderConfig) -> str:
    """Name the data by its title, else by its folder."""
    return name_folder(config.title, config.root)


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[CellFolderConfig]]:
    yield DatasetSpec(
        name="cell-folder",
        version=2,
        summary="your own crops of cells, unresized, split by the image that they were cut from: data.root=FOLDER",
        citation=BIAS_STUDY,
        config=CellFolderConfig,
        smoke=CellFolderConfig(),
        build="sslbench_microscopy.datasets.cell_folder_reader:open_cell_folder",
        dependencies=uses,
        label_preserving="crop-flip",
        title=title,
        card=DatasetCard(
            license="yours",
            citation=BIAS_STUDY,
            source="a folder",
            obtain="name crops by their image and a number, as in IMAGE_12.png, or set data.source",
            groups=("source",),
        ),
    )
