"""The crops of a user's folder, framed, with the image that each was cut from."""

from __future__ import annotations

from functools import partial

from sslbench.api import (
    DataMissing,
    Dataset,
    Modality,
    Source,
)
from sslbench.api.transformed_dataset import Changed
from sslbench_microscopy.datasets.cell_folder import CellFolderConfig
from sslbench_microscopy.framing import framed_sample
from sslbench_microscopy.sources import pictures_of


def open_cell_folder(config: CellFolderConfig, source: Source) -> Dataset:
    """Frame what the folder gives; raises DataMissing without one, RequestError where no picture is told from another."""
    if "folder" not in source.used:
        raise DataMissing("no folder named")
    whole = source.used["folder"]
    pictures = {**whole.columns, "source": pictures_of(whole.columns["id"].tolist(), config.source)}
    if not config.side:
        return Changed(whole, whole.modalities, columns=pictures)
    channels = whole.modalities["image"].shape[0]
    modalities = {"image": Modality(layout="image", shape=(channels, config.side, config.side))}
    return Changed(whole, modalities, partial(framed_sample, config.side), columns=pictures)
