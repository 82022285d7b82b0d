"""Anybody's folder of plankton pictures, prepared as the plankton MAE study prepares its own. Spec and reader.

Finding and labelling the files is `image-folder`'s; grey and the padding are this one's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sslbench.api import Card, DataMissing, Dataset, DatasetSpec, Modality, Source, Use, hookimpl
from sslbench_plankton.citations import PLANKTON_MAE
from sslbench_plankton.padding import pad_square


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanktonFolderConfig:
    """A tree of pictures below `root`; `levels`, `minimum` and `columns` are those of `image-folder`."""

    root: Path | None = None
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
    return Padded(source.used["folder"])


class Padded:
    """A dataset of grey pictures, padded to squares with the edges' mode colour and noise (arXiv 2503.11341, section 3)."""

    def __init__(self, whole: Dataset) -> None:
        self.whole = whole
        self.modalities: Mapping[str, Modality] = {"image": Modality(layout="image", shape=(1, 0, 0))}
        self.target, self.labels, self.columns = whole.target, whole.labels, whole.columns

    def read(self, row: int, rng: np.random.Generator) -> Mapping[str, NDArray[Any]]:
        """One square picture [1, S, S], and its size before padding."""
        grey = self.whole.read(row, rng)["image"][0]
        return {"image": pad_square(grey, rng)[None], "image.size": np.array(grey.shape)}

    def contents(self) -> Sequence[str]:
        """The files'."""
        found: Sequence[str] = self.whole.contents()  # type: ignore[attr-defined]
        return found

    def fingerprint(self) -> str:
        """The files'; how they are padded is this dataset's version."""
        return self.whole.fingerprint()


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[PlanktonFolderConfig]]:
    yield DatasetSpec(
        name="plankton-folder",
        version=1,
        summary="your own folder of plankton pictures, grey and padded as the plankton MAE study does: data.root=FOLDER",
        citation=PLANKTON_MAE,
        config=PlanktonFolderConfig,
        smoke=PlanktonFolderConfig(),
        build=build,
        uses=uses,
        label_preserving="plankton",
        card=Card(
            licence="yours",
            citation=PLANKTON_MAE,
            source="a folder",
            obtain="it is your own folder of pictures: one folder per class, or a flat folder of unlabelled ones",
        ),
    )
