"""Find one part of DAPlankton."""

from __future__ import annotations

from dataclasses import replace

from sslbench.api import Dataset, Source
from sslbench_plankton.datasets.daplankton import DaplanktonConfig
from sslbench_plankton.images import NO_FOLDER, PlanktonImages
from sslbench_plankton.trees import list_classes, open_tree, subfolders

FOLDERS = ("daplankton", "DAPlankton", "DAPlankton.zip", "daplankton.zip")


def open_part(config: DaplanktonConfig, source: Source) -> Dataset:
    """Find the tree, or the zip that holds it, and list one part, of one instrument or of all.

    Raises DataMissing when neither is there, DataBroken when the part is empty.
    """
    subset, _, instrument = source.part.partition("/")
    if not instrument:
        folder = open_tree(source, FOLDERS, f"DAPlankton_{subset}")
        found = [replace(one, instrument=at.name) for at in subfolders(folder) for one in list_classes(at)]
        root = folder.parent
    else:
        folder = open_tree(source, FOLDERS, f"DAPlankton_{subset}/{instrument.upper()}")
        found, root = list_classes(folder), folder.parents[1]
    return PlanktonImages(
        root, found, source.work / "fingerprints", channels=config.channels, searched=(folder, NO_FOLDER)
    )
