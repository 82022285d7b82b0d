"""Find one part of DAPlankton."""

from __future__ import annotations

from dataclasses import replace

from sslbench.api import Dataset, Source
from sslbench_plankton.datasets.daplankton import DaplanktonConfig
from sslbench_plankton.pictures import PlanktonPictures
from sslbench_plankton.trees import classes, opened, subfolders

FOLDERS = ("daplankton", "DAPlankton", "DAPlankton.zip", "daplankton.zip")


def open_part(config: DaplanktonConfig, source: Source) -> Dataset:
    """Find the tree, or the zip that holds it, and list one part, of one instrument or of all.

    Raises DataMissing when neither is there, DataBroken when the part is empty.
    """
    subset, _, instrument = source.part.partition("/")
    if not instrument:
        folder = opened(source, FOLDERS, f"DAPlankton_{subset}")
        found = [replace(one, instrument=at.name) for at in subfolders(folder) for one in classes(at)]
        return PlanktonPictures(folder.parent, found, source.work / "fingerprints", channels=config.channels)
    folder = opened(source, FOLDERS, f"DAPlankton_{subset}/{instrument.upper()}")
    return PlanktonPictures(folder.parents[1], classes(folder), source.work / "fingerprints", channels=config.channels)
