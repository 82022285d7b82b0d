"""Read a hundred classes of an ImageNet tree as a folder of images, whose validation part is the test set."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from sslbench.api import Dataset, Source
from sslbench.api.files import find
from sslbench.api.image_listing import list_images
from sslbench_vision.datasets.image_folder import ImageFolderConfig
from sslbench_vision.datasets.image_folder_reader import ImageFolder
from sslbench_vision.datasets.imagenet100 import CLASS_LIST


def digest(names: Sequence[str]) -> str:
    """BLAKE2b, sixteen bytes, of a class list as a file: one name a line."""
    return hashlib.blake2b("".join(f"{name}\n" for name in names).encode(), digest_size=16).hexdigest()


class ImageNet100(ImageFolder):
    """The pictures of the list's classes; `account` says which list that was."""

    @property
    def account(self) -> Sequence[Mapping[str, str | int]]:
        """One row: how many pictures, and the class list with its digest."""
        listed = f"imagenet100.txt of CMC, BLAKE2b {digest(CLASS_LIST.split())}"
        return [{"member": "imagenet100", "pictures": len(self.files), "class list": listed, "kept": len(self.files)}]


def open_tree(source: Source) -> Dataset:
    """List the tree; raises DataMissing where there is none, DataBroken for a class without a picture."""
    root = find(source, ["imagenet100", "imagenet", "ILSVRC2012"])
    classes = tuple(CLASS_LIST.split())
    config = ImageFolderConfig(root=root, levels=("split", "class"), channels="colour", classes=classes)
    inside = [path for part in ("train", "val") if (root / part).is_dir() for path in list_images(root / part).files]
    return ImageNet100(root, inside, config, source.work / "fingerprints", {})
