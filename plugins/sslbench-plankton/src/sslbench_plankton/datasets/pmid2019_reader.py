"""The individuals of PMID2019, cut out by their boxes."""

from __future__ import annotations

from sslbench.api import Dataset, Source
from sslbench_plankton.datasets.pmid2019 import PmidConfig
from sslbench_plankton.images import NO_BOX, PlanktonImages
from sslbench_plankton.trees import open_tree, read_boxes

FOLDERS = ("pmid2019", "PMID2019", "PMID2019.zip")


def open_pmid2019(config: PmidConfig, source: Source) -> Dataset:
    """List the files."""
    annotations = open_tree(source, FOLDERS, config.annotations)
    root = annotations.parents[config.annotations.count("/")]
    found = read_boxes(root / config.images, annotations)
    boxes = sorted(annotations.glob("*.xml"))
    return PlanktonImages(
        root,
        found,
        source.work / "fingerprints",
        metadata_files=boxes,
        channels=config.channels,
        searched=(root / config.images, NO_BOX),
    )
