"""The files of UDE DIATOMS in the Wild 2024."""

from __future__ import annotations

from sslbench.api import Dataset, Source
from sslbench_plankton.datasets.ude_diatoms_2024 import UdeDiatomsConfig
from sslbench_plankton.images import NO_FOLDER, NO_ROW, PlanktonImages
from sslbench_plankton.trees import list_classes, open_tree, read_table_classes

FOLDERS = ("ude-diatoms-2024", "UDE_DIATOMS_in_the_Wild_2024", "ude-diatoms-2024.zip")


def open_ude_diatoms_2024(config: UdeDiatomsConfig, source: Source) -> Dataset:
    """List the files."""
    root = open_tree(source, FOLDERS, "")
    if not config.table:
        return PlanktonImages(
            root,
            list_classes(root / config.images),
            source.work / "fingerprints",
            channels=config.channels,
            searched=(root / config.images, NO_FOLDER),
        )
    table = root / config.table
    found = read_table_classes(root / config.images, table, config.image_column, config.class_column)
    return PlanktonImages(
        root,
        found,
        source.work / "fingerprints",
        metadata_files=[table],
        channels=config.channels,
        searched=(root / config.images, NO_ROW),
    )
