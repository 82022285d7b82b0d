"""Anybody's folder of plankton pictures, prepared as the plankton MAE study prepares its own. Spec only.

Finding and labelling the files is `image-folder`'s; the padding is in `padding`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sslbench.api import Card, DataMissing, Dataset, DatasetSpec, Modality, Source, Use, hookimpl
from sslbench.api.changed import Changed
from sslbench.api.files import name_folder
from sslbench_plankton.citations import PLANKTON_MAE


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanktonFolderConfig:
    """A tree of images below `root`; `title`, `levels`, `minimum` and `columns` are those of `image-folder`."""

    root: Path | None = None
    title: str = ""
    levels: tuple[str, ...] = ("class",)
    minimum: int = 1
    columns: Mapping[str, str] = field(default_factory=dict)


def uses(config: PlanktonFolderConfig) -> Mapping[str, Use]:
    """The folder."""
    settings: dict[str, Any] = {"levels": config.levels, "minimum": config.minimum, "channels": "grey"}
    settings |= {"root": config.root, "columns": dict(config.columns)}
    return {"folder": Use(kind="dataset", name="image-folder", settings=settings)}


def build(config: PlanktonFolderConfig, source: Source) -> Dataset:
    """Pad what the folder gives; raises DataMissing without one."""
    if "folder" not in source.used:
        raise DataMissing("no folder named")
    from sslbench_plankton.padding import padded

    return Changed(source.used["folder"], {"image": Modality(layout="image", shape=(1, 0, 0))}, padded)


def title(config: PlanktonFolderConfig) -> str:
    """Name the data by its title, else by its folder."""
    return name_folder(config.title, config.root)


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[PlanktonFolderConfig]]:
    yield DatasetSpec(
        name="plankton-folder",
        version=2,
        summary="your own folder of plankton pictures, grey and padded as the plankton MAE study does: data.root=FOLDER",
        citation=PLANKTON_MAE,
        config=PlanktonFolderConfig,
        smoke=PlanktonFolderConfig(),
        build=build,
        uses=uses,
        label_preserving="plankton",
        title=title,
        card=Card(
            licence="yours",
            citation=PLANKTON_MAE,
            source="a folder",
            obtain="it is your own folder of pictures: one folder per class, or a flat folder of unlabelled ones",
        ),
    )
