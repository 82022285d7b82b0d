"""Read and download CIFAR's files in the binary or the python layout, as a Release describes them."""

from __future__ import annotations

import hashlib
import pickle
import tarfile
import urllib.request
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from sslbench.api import DataBroken, DataMissing, Dataset, Source
from sslbench.api.files import find, write_atomically
from sslbench_vision.datasets import cifar10, cifar100
from sslbench_vision.datasets.array_images import ArrayImages
from sslbench_vision.datasets.cifar_release import CifarConfig, Release

ImagesAndLabels = tuple[NDArray[np.uint8], NDArray[np.int64]]
PIXELS = 3 * 32 * 32


def read_binary(folder: Path, release: Release) -> ImagesAndLabels:
    """Read records of label bytes and 3,072 pixels, channel by channel."""
    parts, length = [], release.label_bytes + PIXELS
    for name, records in zip(release.binary_files, release.records, strict=True):
        path = _require_file(folder / name)
        content = np.fromfile(path, np.uint8)
        if len(content) != records * length:
            message = f"{path} has {len(content):,} bytes, not {records:,} records of {length:,}"
            raise DataBroken(f"{message}. Download it again")
        parts.append(content.reshape(-1, length))
    joined = np.concatenate(parts)
    labels = joined[:, release.label_byte].astype(np.int64)
    return joined[:, release.label_bytes :].reshape(-1, 3, 32, 32), labels


class _NumbersOnly(pickle.Unpickler):
    """Unpickler that accepts NumPy's array types only, so that no code in a file can run."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, encoding="bytes")
        self.path = file.name

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray", "numpy") and name in (
            "_reconstruct", "ndarray", "dtype",
        ):  # fmt: skip
            return super().find_class(module, name)
        if (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise DataBroken(f"{self.path}: is not the released file, as it contains {module}.{name}. Download it again")


def read_python(folder: Path, release: Release) -> ImagesAndLabels:
    """Read pickled batches without running code in them."""
    batches = [_load_batch(folder / name) for name in release.python_files]
    images = [np.asarray(batch[b"data"], np.uint8).reshape(-1, 3, 32, 32) for batch in batches]
    labels = [np.asarray(batch[release.label_key], np.int64) for batch in batches]
    return np.concatenate(images), np.concatenate(labels)


def _load_batch(path: Path) -> Any:
    with _require_file(path).open("rb") as file:
        return _NumbersOnly(file).load()


def _require_file(path: Path) -> Path:
    if not path.exists():
        raise DataMissing(f"no {path.name} in {path.parent}")
    return path


def to_gray(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert images [n, 3, H, W] to gray [n, 1, H, W] by Rec. 601 weights in thousandths, as Pillow and torchvision."""
    red, green, blue = (images[:, channel].astype(np.int32) for channel in range(3))
    return ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(np.uint8)[:, None]


def open_cifar10(config: CifarConfig, source: Source) -> Dataset:
    """Open CIFAR-10; raises the errors of `open_release`."""
    return open_release(config, source, cifar10.RELEASE)


def open_cifar100(config: CifarConfig, source: Source) -> Dataset:
    """Open CIFAR-100; raises the errors of `open_release`."""
    return open_release(config, source, cifar100.RELEASE)


def open_release(config: CifarConfig, source: Source, release: Release) -> Dataset:
    """Open the layout that is found, or download the binary one; raises DataMissing or DataBroken."""
    layouts = (release.binary, release.python)
    try:
        folder = find(source, [*layouts, *(f"{release.name}/{layout}" for layout in layouts), release.name])
    except DataMissing as missing:
        if not (config.download and source.fetch):
            raise
        folder = _download(source.work / release.name, release, missing)
    is_python = (folder / release.python_files[0]).exists()
    images, labels = (read_python if is_python else read_binary)(folder, release)
    images = to_gray(images) if config.channels == "gray" else images
    training = sum(release.records[:-1])
    split = np.array(["train"] * training + ["test"] * release.records[-1])
    return ArrayImages(images, labels, release.names, {"split": split})


def _download(target: Path, release: Release, missing: DataMissing) -> Path:
    """Fetch the archive, check it, and extract its plain files."""
    archive, url = target / release.archive, f"https://www.cs.toronto.edu/~kriz/{release.archive}"
    try:
        if not archive.exists():
            with urllib.request.urlopen(url, timeout=20) as answer:
                write_atomically(archive, answer.read())
    except OSError as error:
        raise DataMissing(f"{missing}; the download of {url} failed ({error})") from error
    if hashlib.md5(archive.read_bytes(), usedforsecurity=False).hexdigest() != release.md5:
        archive.unlink()
        raise DataBroken(f"{release.archive}: the download is not the released file (its MD5 differs). Try again")
    with tarfile.open(archive) as opened:
        opened.extractall(target, filter="data")
    return target / release.binary
