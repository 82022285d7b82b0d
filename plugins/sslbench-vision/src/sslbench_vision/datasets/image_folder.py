"""A user's folder of images. Spec only; see `image_folder_reader`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sslbench.api import (
    Citation,
    DatasetCard,
    DatasetSpec,
    PositiveInt,
    hookimpl,
    setting,
    setting_from,
)
from sslbench.api.files import name_folder
from sslbench.api.image_options import MAX_PIXELS, Channels, IntensityRange, Pages, channels_setting
from sslbench_vision.datasets.file_times import make_expression

AUTO = "auto"

CITATION = Citation(title="your own images", authors="you", year=2026, url="https://github.com/sslbench/sslbench")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFolderConfig:
    """Settings of a folder or zip file of images, in subfolders.

    Without `levels` these layouts are recognized: CLASS/image, SPLIT/CLASS/image, CLASS/SPLIT/image, and images without
    labels; ambiguous folders are an error. With `levels`, each level becomes a column. Images in a folder `unlabeled` have no
    label. `table=auto` reads a manifest or an export of EcoTaxa in `root` unless `levels` is set.

    `splits.groups=time splits.group_gap=60` keeps images taken within a minute in the same part of a split.
    `splits.groups=copy` does so for identical files, which share a value of the column `copy`.
    """

    root: Path | None = setting(None, "Folder or zip file with the images.")
    title: str = setting("", "Name of the data in tables, records and files; empty: the folder's name.")
    levels: tuple[str, ...] = setting(
        (), "Meaning of the folders below `root`, such as [split,class]; empty: recognized."
    )
    skip: tuple[str, ...] = setting((), "Patterns of paths to leave out, such as 'old/*'.")
    table: str = setting(
        AUTO,
        "CSV or TSV file with classes and other columns; auto: a manifest in `root`; none: no table.",
        names_file=True,
    )
    path_column: str = setting("", "Column of the table with the paths of images; empty: recognized.")
    class_column: str = setting("", "Column of the table with classes; empty: recognized.")
    split_column: str = setting("", "Column of the table with splits; empty: recognized.")
    columns: Mapping[str, str] = setting_from(
        dict, "Columns read from file names, as name: regular expression; its group is the value, if any."
    )
    time: str = setting(
        "", "Pattern of times in file names for the column `time`, such as D%Y%m%dT%H%M%S; empty: none."
    )
    copies: Literal["keep", "drop"] = setting(
        "keep", "Keep identical files, or drop all but one, and all of those in two classes."
    )
    channels: Channels = channels_setting(
        "auto", "auto (gray if all files are gray), gray, color, or the numbers of channels to read."
    )
    pages: Pages = setting(None, "Page of multi-page files: a number, all (as channels), max or mean.")
    intensity_range: IntensityRange = setting(
        "percentiles",
        "Black and white of images above 8 bits: percentiles (0.1 and 99.9), minmax, type or two numbers.",
    )
    max_pixels: PositiveInt = setting(MAX_PIXELS, "Leave out images with more pixels.")
    min_class_samples: PositiveInt = setting(1, "Leave out classes with fewer images.", old_names=("minimum",))
    classes: tuple[str, ...] = setting((), "Classes to use; empty: all.")

    def __post_init__(self) -> None:
        """Raise ValueError for invalid patterns, reserved names of columns, and empty ranges."""
        for name, pattern in self.columns.items():
            if name in ("id", "split", "class", "copy", "time", *self.levels):
                raise ValueError(f"columns.{name}: this column exists already. Choose another name")
            try:
                re.compile(pattern)
            except (re.error, TypeError) as error:
                raise ValueError(f"columns.{name}: {pattern!r} is not a regular expression: {error}") from error
        if self.time:
            try:
                make_expression(self.time)
            except ValueError as error:
                raise ValueError(f"time: {error}") from error
        if isinstance(self.intensity_range, tuple) and self.intensity_range[0] >= self.intensity_range[1]:
            raise ValueError(
                f"intensity_range={list(self.intensity_range)}: the first number must be below the second, as in [0, 4095]"
            )


def title(config: ImageFolderConfig) -> str:
    """Return the title of the data, by default the name of its folder."""
    return name_folder(config.title, config.root)


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[ImageFolderConfig]]:
    yield DatasetSpec(
        name="image-folder",
        version=2,
        summary="your own folder of images: data.root=FOLDER",
        citation=CITATION,
        config=ImageFolderConfig,
        smoke=ImageFolderConfig(),
        build="sslbench_vision.datasets.image_folder_reader:open_folder",
        label_preserving="crop-flip",
        title=title,
        card=DatasetCard(
            license="yours",
            citation=CITATION,
            source="a folder",
            obtain="it is your own folder of images: one folder per class, or a flat folder of unlabeled ones",
        ),
    )
