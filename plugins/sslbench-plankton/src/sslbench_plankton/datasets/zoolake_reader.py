"""The files of ZooLake, with its published split."""

from __future__ import annotations

from sslbench.api import Dataset, Source
from sslbench_plankton.datasets.zoolake import ZoolakeConfig
from sslbench_plankton.images import NO_FOLDER, PlanktonImages
from sslbench_plankton.left_out import note_missing_names
from sslbench_plankton.trees import apply_split_lists, list_classes, list_names, open_tree

FOLDERS = ("zoolake", "ZooLake", "zoolake.zip", "data.zip")
INSIDE = "zooplankton_0p5x"


def open_zoolake(config: ZoolakeConfig, source: Source) -> Dataset:
    """List the files."""
    root = open_tree(source, FOLDERS, INSIDE)
    lists = root.parent / "zoolake_train_test_val_separated"
    found, lists_of_split, notes = list_classes(root), [], []
    if config.published_split and lists.is_dir():
        lists_of_split = [lists / f"{part}_filenames.txt" for part in ("train", "val", "test")]
        found = apply_split_lists(found, dict(zip(("train", "validation", "test"), lists_of_split, strict=True)))
        files = [specimen.file for specimen in found]
        notes = [note for path in lists_of_split for note in note_missing_names(list_names(path), files, path.name)]
    return PlanktonImages(
        root.parent,
        found,
        source.work / "fingerprints",
        metadata_files=lists_of_split,
        channels=config.channels,
        searched=(root, NO_FOLDER),
        notes=notes,
    )
