"""The files of SYKE-plankton_IFCB_2022."""

from __future__ import annotations

from sslbench.api import Dataset, Source
from sslbench_plankton.datasets.syke_ifcb_2022 import SykeIfcbConfig
from sslbench_plankton.images import NO_FOLDER, PlanktonImages
from sslbench_plankton.trees import list_classes, open_tree

FOLDERS = ("syke-ifcb-2022", "SYKE-plankton_IFCB_2022", "phytoplankton_labeled.zip", "phytoplankton_labeled")
INSIDE = "labeled_20201020"


def open_syke_ifcb_2022(config: SykeIfcbConfig, source: Source) -> Dataset:
    """List the files."""
    root = open_tree(source, FOLDERS, INSIDE)
    return PlanktonImages(
        root, list_classes(root), source.work / "fingerprints", channels=config.channels, searched=(root, NO_FOLDER)
    )
