"""Read a hundred classes of an ImageNet tree: as any folder of pictures, but that its validation part is what is tested."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from sslbench.api import Dataset, Source
from sslbench.api.files import find, pictures
from sslbench_vision.datasets.image_folder import ImageFolderConfig
from sslbench_vision.datasets.image_folder_reader import PictureFiles
from sslbench_vision.datasets.imagenet100 import CLASS_LIST


def digest(names: Sequence[str]) -> str:
    """BLAKE2b, sixteen bytes, of a class list as a file: one name a line."""
    return hashlib.blake2b("".join(f"{name}\n" for name in names).encode(), digest_size=16).hexdigest()


class ImageNet100(PictureFiles):
    """The pictures of the list's classes; `account` says which list that was."""

    @property
    def account(self) -> Sequence[Mapping[str, str | int]]:
        """One row: how many pictures, and the class list with its digest."""
        listed = f"imagenet100.txt of CMC, BLAKE2b {digest(CLASS_LIST.split())}"
        return [{"member": "imagenet100", "pictures": len(self.files), "class list": listed, "kept": len(self.files)}]


def open_tree(source: Source) -> Dataset:
    """List the tree; raises DataMissing where there is none, DataBroken for a class without a picture."""
    root = find(source, ["imagenet100", "imagenet", "ILSVRC2012"])
    config = ImageFolderConfig(root=root, channels="colour", classes=tuple(CLASS_LIST.split()))
    inside = [path for part in ("train", "val") if (root / part).is_dir() for path in pictures(root / part)]
    opened = ImageNet100(root, inside, config, source.work / "fingerprints")
    split = np.where(opened.columns["split"] == "validation", "test", opened.columns["split"])
    opened.columns = {**opened.columns, "split": split}
    return opened
