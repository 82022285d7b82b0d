"""CIFAR's released files: the binary layout, the python layout, and the download. What they hold, a release says."""

from __future__ import annotations

import hashlib
import pickle
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

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
    """Records of label bytes and 3,072 pixels, channel by channel."""
    parts, length = [], release.label_bytes + PIXELS
    for name, records in zip(release.binary_files, release.records, strict=True):
        path = _require_file(folder / name)
        content = np.fromfile(path, np.uint8)
        if len(content) != records * length:
            told = f"{path} holds {len(content):,} bytes, not {records:,} records of {length:,}"
            raise DataBroken(f"{told}; fetch it again")
        parts.append(content.reshape(-1, length))
    joined = np.concatenate(parts)
    labels = joined[:, release.label_bytes - 1].astype(np.int64)
    return joined[:, release.label_bytes :].reshape(-1, 3, 32, 32), labels


class _NumbersOnly(pickle.Unpickler):
    """Lets a pickle name NumPy's array pieces and nothing else, so that nothing in it can run."""

    def find_class(self, module: str, name: str) -> Any:
        if module in ("numpy.core.multiarray", "numpy._core.multiarray", "numpy") and name in (
            "_reconstruct", "ndarray", "dtype",
        ):  # fmt: skip
            return super().find_class(module, name)
        if (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise DataBroken(f"a batch file names {module}.{name}, which released files do not; fetch it again")


def read_python(folder: Path, release: Release) -> ImagesAndLabels:
    """Pickled batches, read so that nothing in them can run."""
    batches = [_load_batch(folder / name) for name in release.python_files]
    images = [np.asarray(batch[b"data"], np.uint8).reshape(-1, 3, 32, 32) for batch in batches]
    labels = [np.asarray(batch[release.label_key], np.int64) for batch in batches]
    return np.concatenate(images), np.concatenate(labels)


def _load_batch(path: Path) -> Any:
    with _require_file(path).open("rb") as file:
        return _NumbersOnly(file, encoding="bytes").load()


def _require_file(path: Path) -> Path:
    if not path.exists():
        raise DataMissing(f"no {path.name} in {path.parent}")
    return path


def to_gray(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[n, 3, H, W] as [n, 1, H, W], by Rec. 601's weights in thousandths, as Pillow and torchvision have them."""
    red, green, blue = (images[:, channel].astype(np.int32) for channel in range(3))
    return ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(np.uint8)[:, None]


def open_cifar10(config: CifarConfig, source: Source) -> Dataset:
    """Open the collection of 10 classes; raises what `open_release` raises."""
    return open_release(config, source, cifar10.RELEASE)


def open_cifar100(config: CifarConfig, source: Source) -> Dataset:
    """Open the collection of 100 classes; raises what `open_release` raises."""
    return open_release(config, source, cifar100.RELEASE)


def open_release(config: CifarConfig, source: Source, release: Release) -> Dataset:
    """Open whichever layout is there, or download the binary one."""
    layouts = (release.binary, release.python)
    try:
        folder = find(source, [*layouts, *(f"{release.name}/{layout}" for layout in layouts), release.name])
    except DataMissing as missing:
        if not (config.download and source.fetch):
            raise
        folder = _download(source.work / release.name, release, missing)
    python = (folder / release.python_files[0]).exists()
    images, labels = (read_python if python else read_binary)(folder, release)
    images = to_gray(images) if config.channels == "gray" else images
    taught = sum(release.records[:-1])
    split = np.array(["train"] * taught + ["test"] * release.records[-1])
    return ArrayImages(images, labels, release.names, {"split": split})


def _download(target: Path, release: Release, missing: DataMissing) -> Path:
    """Fetch the archive, check it, and extract its plain files."""
    archive = target / release.archive
    try:
        if not archive.exists():
            with urllib.request.urlopen(f"https://www.cs.toronto.edu/~kriz/{release.archive}", timeout=20) as answer:
                write_atomically(archive, answer.read())
    except OSError as error:
        raise DataMissing(f"{missing}, and the download failed ({error})") from error
    if hashlib.md5(archive.read_bytes(), usedforsecurity=False).hexdigest() != release.md5:
        archive.unlink()
        raise DataBroken(f"{release.archive}: the download is not the released file (its MD5 differs); try again")
    with tarfile.open(archive) as opened:
        opened.extractall(target, filter="data")
    return target / release.binary
