"""Read 100 classes of a local ImageNet, with its validation part as test set."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from sslbench.api import Dataset, Source
from sslbench.api.files import find
from sslbench.api.image_listing import list_images
from sslbench_vision.datasets.image_folder import ImageFolderConfig
from sslbench_vision.datasets.image_folder_reader import ImageFolder
from sslbench_vision.datasets.imagenet100 import CLASS_LIST, ImageNet100Config

PARTS = ("train", "val")
"""Folders that are read: the images of a test part have no labels."""


def digest_class_list(names: Sequence[str]) -> str:
    """Return the BLAKE2b digest (16 bytes) of a class list as a file with one name per line."""
    return hashlib.blake2b("".join(f"{name}\n" for name in names).encode(), digest_size=16).hexdigest()


class ImageNet100(ImageFolder):
    """Images of the listed classes; `account` identifies the list."""

    @property
    def account(self) -> Sequence[Mapping[str, str | int]]:
        """Return one row: the number of images, and the class list with its digest."""
        listed = f"imagenet100.txt of CMC, BLAKE2b {digest_class_list(CLASS_LIST.split())}"
        return [{"member": "imagenet100", "images": len(self.files), "class list": listed, "kept": len(self.files)}]


def list_parts(root: Path) -> tuple[list[Path], dict[str, list[str]]]:
    """List the images of the parts that are read, and the skipped paths below `root` by reason."""
    files: list[Path] = []
    skipped: dict[str, list[str]] = {}
    for entry in sorted(root.iterdir()):
        ending = "/" if entry.is_dir() else ""
        if entry.name in PARTS and ending:
            listing = list_images(entry)
            files += listing.files
            for reason, paths in listing.skipped.items():
                skipped.setdefault(reason, []).extend(f"{entry.name}/{path}" for path in paths)
        else:
            skipped.setdefault(f"not in {' or '.join(PARTS)}", []).append(entry.name + ending)
    return files, skipped


def open_tree(config: ImageNet100Config, source: Source) -> Dataset:
    """List the images; raises DataMissing without a folder, RequestError for a class without images."""
    root = find(source, ["imagenet100", "imagenet", "ILSVRC2012"])
    classes = tuple(CLASS_LIST.split())
    tree = ImageFolderConfig(root=root, levels=("split", "class"), channels="color", classes=classes)
    files, skipped = list_parts(root)
    return ImageNet100(root, files, tree, source.work / "fingerprints", skipped)
