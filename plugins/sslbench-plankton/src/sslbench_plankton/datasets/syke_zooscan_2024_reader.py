"""The files of SYKE-plankton_ZooScan_2024."""

from __future__ import annotations

from sslbench.api import Dataset, Source
from sslbench_plankton.datasets.syke_zooscan_2024 import SykeZooscanConfig
from sslbench_plankton.images import NO_FOLDER, PlanktonImages
from sslbench_plankton.trees import list_classes, open_tree

FOLDERS = ("syke-zooscan-2024", "SYKE-plankton_ZooScan_2024", "SYKE-plankton_ZooScan_2024.zip")
INSIDE = "images/SYKE-plankton_ZooScan_2024"


def open_syke_zooscan_2024(config: SykeZooscanConfig, source: Source) -> Dataset:
    """List the files."""
    root = open_tree(source, FOLDERS, INSIDE)
    return PlanktonImages(
        root,
        list_classes(root),
        source.work / "fingerprints",
        legend=config.legend,
        channels=config.channels,
        searched=(root, NO_FOLDER),
    )
