"""Find one part of DAPlankton."""

from __future__ import annotations

from sslbench.api import Dataset, Source
from sslbench_plankton.pictures import PlanktonPictures
from sslbench_plankton.trees import classes, opened

FOLDERS = ("daplankton", "DAPlankton", "DAPlankton.zip", "daplankton.zip")


def open_part(source: Source) -> Dataset:
    """Find the tree, or the zip that holds it, and list one part.

    Raises DataMissing when neither is there, DataBroken when the part is empty.
    """
    subset, instrument = source.part.split("/")
    folder = opened(source, FOLDERS, f"DAPlankton_{subset}/{instrument.upper()}")
    return PlanktonPictures(folder.parents[1], classes(folder), source.work / "fingerprints")
