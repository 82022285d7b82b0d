"""Small image folders: write them, open them as the dataset does, and list their labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from sslbench_vision.datasets.image_folder import ImageFolderConfig
from sslbench_vision.datasets.image_folder_reader import open_folder

from sslbench.api import Source

RNG = np.random.default_rng(0)


def write(root: Path, *files: str) -> Path:
    """Write small different images."""
    for file in files:
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (9, 9), dtype=np.uint8)).save(path, format="PNG")
    return root


def open_images(root: Path, **config):
    source = Source(root=root, folders=(), work=root.parent / f"work-{root.name}")
    return open_folder(ImageFolderConfig(root=root, **config), source)


def labels_of(dataset) -> dict[str, str]:
    names = {-1: "", **dict(enumerate(dataset.target.names))}
    return {str(name): names[int(code)] for name, code in zip(dataset.columns["id"], dataset.labels, strict=True)}
