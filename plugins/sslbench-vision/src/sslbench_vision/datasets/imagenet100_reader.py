"""Read a hundred classes of an ImageNet tree as a folder of images, whose validation part is the test set."""

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
    """BLAKE2b, sixteen bytes, of a class list as a file: one name a line."""
    return hashlib.blake2b("".join(f"{name}\n" for name in names).encode(), digest_size=16).hexdigest()


class ImageNet100(ImageFolder):
    """The images of the list's classes; `account` says which list that was."""

    @property
    def account(self) -> Sequence[Mapping[str, str | int]]:
        """One row: how many images, and the class list with its digest."""
        listed = f"imagenet100.txt of CMC, BLAKE2b {digest_class_list(CLASS_LIST.split())}"
        return [{"member": "imagenet100", "images": len(self.files), "class list": listed, "kept": len(self.files)}]


def list_parts(root: Path) -> tuple[list[Path], dict[str, list[str]]]:
    """List the images of the parts that are read, and by reason the paths below `root` that are skipped."""
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
            skipped.setdefault(f"beside {' and '.join(PARTS)}", []).append(entry.name + ending)
    return files, skipped


def open_tree(config: ImageNet100Config, source: Source) -> Dataset:
    """List the tree; raises DataMissing where there is none, DataBroken for a class without a image."""
    root = find(source, ["imagenet100", "imagenet", "ILSVRC2012"])
    classes = tuple(CLASS_LIST.split())
    tree = ImageFolderConfig(root=root, levels=("split", "class"), channels="color", classes=classes)
    files, skipped = list_parts(root)
    return ImageNet100(root, files, tree, source.work / "fingerprints", skipped)
