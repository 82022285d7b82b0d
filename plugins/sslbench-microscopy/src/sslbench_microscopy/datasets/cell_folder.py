"""Anybody's crops of cells, as a dataset. Spec only: finding the files is `image-folder`'s, framing is in `framing`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from sslbench.api import Card, DataMissing, Dataset, DatasetSpec, Modality, RequestError, Source, Use, hookimpl
from sslbench.api.changed import Changed
from sslbench_microscopy.citations import BIAS_STUDY

ALONE = r"^(.*)$"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellFolderConfig:
    """A tree of crops below `root`; `levels`, `channels`, `minimum` and `classes` are those of `image-folder`.

    Every crop is laid on a square of `side` pixels without resizing it, so that sizes can be compared (0: left as it is).
    `source` is a regular expression for the part of a file's name that names the picture a cell was cut from: cells of one
    picture are never on both sides of a split. As it is, that is all before the last number; '' keeps nothing together.
    """

    root: Path | None = None
    levels: tuple[str, ...] = ("class",)
    channels: Literal["auto", "grey", "colour"] = "auto"
    minimum: int = 1
    classes: tuple[str, ...] = ()
    side: int = 196
    source: str = r"^(.+)[ _-]\d+\.\w+$"

    def __post_init__(self) -> None:
        """Refuse sides that no picture has."""
        if self.side < 0:
            raise ValueError(f"side = {self.side} is not possible; possible: 0 or more pixels")


def uses(config: CellFolderConfig) -> Mapping[str, Use]:
    """The folder."""
    settings: dict[str, Any] = {
        "root": config.root, "levels": config.levels, "channels": config.channels, "minimum": config.minimum,
        "classes": config.classes, "columns": {"source": config.source or ALONE},
    }  # fmt: skip
    return {"folder": Use(kind="dataset", name="image-folder", settings=settings)}


def build(config: CellFolderConfig, source: Source) -> Dataset:
    """Frame what the folder gives; raises DataMissing without one, RequestError where all come from one picture."""
    if "folder" not in source.used:
        raise DataMissing("no folder named")
    whole = source.used["folder"]
    pictures = set(whole.columns["source"].tolist())
    if len(pictures) == 1:
        told = f"source: by {config.source!r} all {len(whole.labels)} cells come from one picture, {pictures.pop()!r}; name "
        raise RequestError(
            [told + "the part of a file's name that says which picture, or '' if every crop is one of its own"]
        )
    if not config.side:
        return whole
    from sslbench_microscopy.framing import framed_sample

    channels = whole.modalities["image"].shape[0]
    modalities = {"image": Modality(layout="image", shape=(channels, config.side, config.side))}
    return Changed(whole, modalities, partial(framed_sample, config.side))


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[CellFolderConfig]]:
    yield DatasetSpec(
        name="cell-folder",
        version=1,
        summary="your own crops of cells, unresized, split by the picture that they were cut from: data.root=FOLDER",
        citation=BIAS_STUDY,
        config=CellFolderConfig,
        smoke=CellFolderConfig(),
        build=build,
        uses=uses,
        label_preserving="crop-flip",
        card=Card(
            licence="yours",
            citation=BIAS_STUDY,
            source="a folder",
            obtain="it is your own folder of crops: one folder per class, or a flat folder of unlabelled ones",
            groups=("source",),
        ),
    )
