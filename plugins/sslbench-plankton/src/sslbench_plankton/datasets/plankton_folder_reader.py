"""The padded images of a user's folder."""

from __future__ import annotations

from sslbench.api import (
    DataMissing,
    Dataset,
    Modality,
    Source,
)
from sslbench.api.transformed_dataset import TransformedDataset
from sslbench_plankton.datasets.plankton_folder import PlanktonFolderConfig
from sslbench_plankton.padding import pad_sample


def open_plankton_folder(config: PlanktonFolderConfig, source: Source) -> Dataset:
    """Pad what the folder gives; raises DataMissing without one."""
    if "folder" not in source.dependencies:
        raise DataMissing("no folder named")
    images = source.dependencies["folder"]
    channels = images.modalities["image"].shape[0]
    return TransformedDataset(images, {"image": Modality(layout="image", shape=(channels, 0, 0))}, pad_sample)
