"""A user's folder of plankton images, prepared as the plankton MAE study prepares its own. Spec only.

Finding and labeling the files is `image-folder`'s; the padding is in `padding`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sslbench.api import (
    DatasetCard,
    DatasetSpec,
    Dependency,
    PositiveInt,
    hookimpl,
)
from sslbench.api.files import name_folder
from sslbench.api.image_options import GrayOrColor, Pages
from sslbench_plankton.citations import PLANKTON_MAE

PASSED = ("root", "levels", "skip", "table", "time", "copies", "channels", "pages", "min_class_samples")
"""Settings that are passed on as they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanktonFolderConfig:
    """A tree of images below `root`; all settings are those of `image-folder`, but that color is converted to gray, as in the
    study, unless `channels` is color.
    """

    root: Path | None = None
    title: str = ""
    levels: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    table: str = field(default="auto", metadata={"names_file": True})
    columns: Mapping[str, str] = field(default_factory=dict)
    time: str = ""
    copies: Literal["keep", "drop"] = "keep"
    channels: GrayOrColor = "gray"
    pages: Pages = None
    min_class_samples: PositiveInt = 1


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
