"""Anybody's crops of cells, as a dataset. Spec only: finding the files is `image-folder`'s, framing is in `framing`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from sslbench.api import (
    DatasetCard,
    DatasetSpec,
    Dependency,
    PositiveInt,
    Range,
    hookimpl,
)
from sslbench.api.files import name_folder
from sslbench.api.image_options import Channels, IntensityRange, Pages
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
    """A tree of crops below `root`; what is not told here is as in `image-folder`.

    Every crop is laid on a square of `side` pixels without resizing it, so that sizes can be compared: what is larger loses
    its edges, what is smaller gets a border (0: left as it is). `source` is a regular expression for the part of a file's
    name that names the image a cell was cut from: cells of one image are never on both sides of a split. As it is, that
    is all before the last number, as in IMAGE_12.png; with none nothing is kept together.
    """

    root: Path | None = None
    title: str = ""
    levels: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    table: str = field(default="auto", metadata={"names_file": True})
    copies: Literal["keep", "drop"] = "keep"
    channels: Channels = "auto"
    pages: Pages = None
    intensity_range: IntensityRange = "percentiles"
    min_class_samples: PositiveInt = 1
    classes: tuple[str, ...] = ()
    side: Annotated[int, Range(at_least=0, at_most=LARGEST)] = 196
    source: str = r"^(.+)[ _-]\d+\.\w+$"

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
            obtain="crops are called by their image and a number, as in IMAGE_12.png, or data.source says how",
            groups=("source",),
        ),
    )
