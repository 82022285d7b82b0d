"""Recognize other formats of data, such as bounding boxes or archives of arrays, by file names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

MAX_SEARCHED = 20_000
"""Largest number of files that are listed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherFormat:
    """A format of data: its name in `DatasetCard.formats`, and a description."""

    name: str
    description: str


VOC = OtherFormat(name="voc", description="Pascal VOC, XML files with boxes for images")
COCO = OtherFormat(name="coco", description="COCO, a JSON file with boxes or masks for images")
YOLO = OtherFormat(name="yolo", description="YOLO, text files with boxes for images")
IDX = OtherFormat(name="idx", description="idx files, arrays of images and labels in the format of MNIST")
CIFAR = OtherFormat(name="cifar", description="batches of CIFAR, pickled arrays of images and labels")
ARRAYS = OtherFormat(name="arrays", description="archives of arrays, which must be written as image files first")


def recognize_other_format(root: Path) -> OtherFormat | None:
    """Recognize data by the names of its files; None for an unknown format."""
    paths = list(islice(_list_files(root), MAX_SEARCHED))
    names = {path.name.lower() for path in paths}
    suffixes = {path.suffix.lower() for path in paths}
    by_suffix = {suffix: [p for p in paths if p.suffix.lower() == suffix] for suffix in (".xml", ".json", ".txt")}
    if any(name.endswith(("-ubyte", "-ubyte.gz")) for name in names) or any(_is_idx(path) for path in paths[:20]):
        return IDX
    if names & {"data_batch_1", "data_batch_1.bin", "cifar-10-python.tar.gz", "cifar-100-python.tar.gz"}:
        return CIFAR
    if any(path.parent.name.lower().startswith("annotation") for path in by_suffix[".xml"]):
        return VOC
    if any("instances" in p.name.lower() or p.name.lower() == "_annotations.coco.json" for p in by_suffix[".json"]):
        return COCO
    if any("labels" in {part.lower() for part in path.parts[:-1]} for path in by_suffix[".txt"]):
        return YOLO
    if suffixes & {".npy", ".npz", ".h5", ".hdf5", ".mat", ".pkl", ".pickle", ".parquet", ".tfrecord", ".pt"}:
        return ARRAYS
    return None


def _list_files(root: Path) -> Iterator[Path]:
    return (path.relative_to(root) if path.is_relative_to(root) else path for path in root.rglob("*"))


def _is_idx(path: Path) -> bool:
    return path.name.lower().startswith(("train-images", "train-labels", "t10k-images", "t10k-labels"))
