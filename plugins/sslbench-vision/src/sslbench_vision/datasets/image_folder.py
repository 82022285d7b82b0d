"""Anybody's folder of pictures, as a dataset. Spec only; reading is in `image_folder_reader`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from sslbench.api import Card, Citation, Dataset, DatasetSpec, Source, hookimpl
from sslbench.api.files import name_folder

CITATION = Citation(title="your own pictures", authors="you", year=2026, url="https://github.com/sslbench/sslbench")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFolderConfig:
    """A tree of pictures.

    Below `root`: class folders; or train, validation (or val) and test folders of classes; or, with `levels` such as
    [instrument, class], folders named by those columns. Pictures outside any class folder, and those in a folder
    `unlabelled` (or unlabeled), are learnt from without a label. `channels` is auto (grey if every picture is), grey or
    colour. `columns` read more facts from file names, name: regular expression (its group, if it has one), such as
    {second: 'cam-(\\d+)-'}, so that `splits.groups=second` can keep together what was seen together. Of the classes only
    those of at least `minimum` images are used, and of those only `classes` where any are named. `title` names the data
    in tables, records and files; by default it is called like its folder.
    """

    root: Path | None = None
    title: str = ""
    levels: tuple[str, ...] = ("class",)
    channels: Literal["auto", "grey", "colour"] = "auto"
    minimum: int = 1
    classes: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what is no regular expression, and names that are taken."""
        for name, pattern in self.columns.items():
            if name in ("id", "split", "class", *self.levels):
                raise ValueError(f"columns.{name}: is a column already")
            try:
                re.compile(pattern)
            except (re.error, TypeError) as error:
                raise ValueError(f"columns.{name}: {pattern!r} is no regular expression: {error}") from error


def build(config: ImageFolderConfig, source: Source) -> Dataset:
    """Reach the reader."""
    from sslbench_vision.datasets.image_folder_reader import open_folder

    return open_folder(config, source)


def title(config: ImageFolderConfig) -> str:
    """Name the data by its title, else by its folder."""
    return name_folder(config.title, config.root)


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[ImageFolderConfig]]:
    yield DatasetSpec(
        name="image-folder",
        version=1,
        summary="your own folder of pictures: data.root=FOLDER",
        citation=CITATION,
        config=ImageFolderConfig,
        smoke=ImageFolderConfig(),
        build=build,
        label_preserving="crop-flip",
        title=title,
        card=Card(
            licence="yours",
            citation=CITATION,
            source="a folder",
            obtain="it is your own folder of pictures: one folder per class, or a flat folder of unlabelled ones",
        ),
    )
