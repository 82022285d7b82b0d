"""The crops of a user's folder, framed, with the image that each was cut from."""

from __future__ import annotations

from functools import partial

from sslbench.api import (
    DataMissing,
    Dataset,
    Modality,
    Source,
)
from sslbench.api.transformed_dataset import TransformedDataset
from sslbench_microscopy.datasets.cell_folder import CellFolderConfig
from sslbench_microscopy.framing import frame_sample
from sslbench_microscopy.sources import images_of


def open_cell_folder(config: CellFolderConfig, source: Source) -> Dataset:
    """Frame the images of a folder; raises DataMissing without one, RequestError if a source image is not recognized."""
    if "folder" not in source.dependencies:
        raise DataMissing("no folder named")
    images = source.dependencies["folder"]
    columns = {**images.columns, "source": images_of(images.columns["id"].tolist(), config.source)}
    if not config.side:
        return TransformedDataset(images, images.modalities, columns=columns)
    channels = images.modalities["image"].shape[0]
    modalities = {"image": Modality(layout="image", shape=(channels, config.side, config.side))}
    return TransformedDataset(images, modalities, partial(frame_sample, config.side), columns=columns)
