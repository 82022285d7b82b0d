"""The files of Kaggle-Plankton."""

from __future__ import annotations

from sslbench.api import Dataset, Source
from sslbench_plankton.datasets.kaggle_plankton import INSIDE, KagglePlanktonConfig
from sslbench_plankton.images import NO_FOLDER, PlanktonImages
from sslbench_plankton.trees import list_classes, list_unlabeled, open_tree

FOLDERS = ("kaggle-plankton", "ndsb", "datasciencebowl", "datasciencebowl.zip", "ndsb_plankton")


def open_kaggle_plankton(config: KagglePlanktonConfig, source: Source) -> Dataset:
    """List the files."""
    root = open_tree(source, FOLDERS, INSIDE[source.part])
    found = list_classes(root) if source.part == "labeled" else list_unlabeled(root)
    return PlanktonImages(
        root, found, source.work / "fingerprints", channels=config.channels, searched=(root, NO_FOLDER)
    )
