"""A user's folder of plankton images, prepared as the plankton MAE study prepares its own. Spec only.

Finding and labeling the files is `image-folder`'s; the padding is in `padding`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sslbench.api import DatasetCard, DatasetSpec, Dependency, PositiveInt, hookimpl, setting, setting_from
from sslbench.api.files import name_folder
from sslbench.api.image_options import GrayOrColor, Pages, channels_setting
from sslbench_plankton.citations import PLANKTON_MAE

PASSED = ("root", "levels", "skip", "table", "time", "copies", "channels", "pages", "min_class_samples")
"""Settings that are passed on as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanktonFolderConfig:
    """Settings of a folder of plankton images; they mean what they mean for `image-folder`."""

    root: Path | None = setting(None, "Folder of the images.")
    title: str = setting("", "Name of the data in tables, records and files ('': the folder's name).")
    levels: tuple[str, ...] = setting((), "Meaning of each folder level, such as [split, class] (empty: recognized).")
    skip: tuple[str, ...] = setting((), "Folders that are not read.")
    table: str = setting(
        "auto", "Table of paths, classes and splits (auto: search for one; none: ignore tables).", names_file=True
    )
    columns: Mapping[str, str] = setting_from(dict, "Further columns of the table to keep: name to column.")
    time: str = setting("", "Pattern of the time in file names, such as D%Y%m%dT%H%M%S ('': none).")
    copies: Literal["keep", "drop"] = setting("keep", "Identical files: keep them all, or drop all but one.")
    channels: GrayOrColor = channels_setting("gray", "gray converts to gray as the study does; color keeps the color.")
    pages: Pages = setting(None, "Pages of multi-page files to read (null: files of one page only).")
    min_class_samples: PositiveInt = setting(1, "Classes with fewer images are left out.", old_names=("minimum",))


def uses(config: PlanktonFolderConfig) -> Mapping[str, Dependency]:
    """The folder."""
    settings: dict[str, Any] = {name: getattr(config, name) for name in PASSED} | {"columns": dict(config.columns)}
    return {"folder": Dependency(kind="dataset", name="image-folder", settings=settings)}


def title(config: PlanktonFolderConfig) -> str:
    """Name the data by its title, else by its folder."""
    return name_folder(config.title, config.root)


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[PlanktonFolderConfig]]:
    yield DatasetSpec(
        name="plankton-folder",
        version=3,
        summary="your own folder of plankton images, gray and padded as the plankton MAE study does: data.root=FOLDER",
        citation=PLANKTON_MAE,
        config=PlanktonFolderConfig,
        smoke=PlanktonFolderConfig(),
        build="sslbench_plankton.datasets.plankton_folder_reader:open_plankton_folder",
        dependencies=uses,
        label_preserving="plankton",
        title=title,
        card=DatasetCard(
            license="yours",
            citation=PLANKTON_MAE,
            source="a folder",
            obtain="it is your own folder of images: one folder per class, or a flat folder of unlabeled ones",
        ),
    )
