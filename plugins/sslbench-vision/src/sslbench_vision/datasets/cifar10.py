"""CIFAR-10 from the official binary layout or torchvision's python layout; downloaded where there is a network."""

from __future__ import annotations

import hashlib
import pickle
import tarfile
import urllib.request
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from sslbench.api import Card, Citation, DataBroken, DataMissing, Dataset, DatasetSpec, Modality, Source, hookimpl
from sslbench.api.files import find, write_atomically

CITATION = Citation(
    title="Learning Multiple Layers of Features from Tiny Images",
    authors="Krizhevsky",
    year=2009,
    url="https://www.cs.toronto.edu/~kriz/cifar.html",
)
NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
ARCHIVE = "cifar-10-binary.tar.gz"
ARCHIVE_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
BINARY, PYTHON = "cifar-10-batches-bin", "cifar-10-batches-py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cifar10Config:
    """Where the files are, if not in the usual places; whether they may be downloaded; in colour or in grey (Rec. 601)."""

    root: Path | None = None
    download: bool = True
    channels: Literal["colour", "grey"] = "colour"


def read_binary(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Six files of 10,000 records: a label byte and 3,072 pixels, channel by channel."""
    parts = []
    for name in (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"):
        path = folder / name
        if not path.exists():
            raise DataMissing(f"no {name} in {folder}")
        records = np.fromfile(path, np.uint8)
        if len(records) != 10_000 * 3073:
            raise DataBroken(f"{path} holds {len(records):,} bytes, not 10,000 records of 3,073; fetch it again")
        parts.append(records.reshape(-1, 3073))
    joined = np.concatenate(parts)
    return joined[:, 1:].reshape(-1, 3, 32, 32), joined[:, 0].astype(np.int64)


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


def read_python(folder: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Six pickled batches, read so that nothing in them can run."""
    pictures, labels = [], []
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        path = folder / name
        if not path.exists():
            raise DataMissing(f"no {name} in {folder}")
        with path.open("rb") as file:
            batch = _NumbersOnly(file, encoding="bytes").load()
        pictures.append(np.asarray(batch[b"data"], np.uint8).reshape(-1, 3, 32, 32))
        labels.append(np.asarray(batch[b"labels"], np.int64))
    return np.concatenate(pictures), np.concatenate(labels)


def build(config: Cifar10Config, source: Source) -> Dataset:
    """Open whichever layout is there, or download the binary one."""
    from sslbench_vision.datasets.labelled import ArrayPictures

    try:
        folder = find(source, [BINARY, PYTHON, f"cifar10/{BINARY}", f"cifar10/{PYTHON}", "cifar10"])
    except DataMissing as missing:
        if not (config.download and source.fetch):
            raise
        folder = _download(source.work / "cifar10", missing)
    python = (folder / "data_batch_1").exists()
    pictures, labels = read_python(folder) if python else read_binary(folder)
    pictures = grey(pictures) if config.channels == "grey" else pictures
    return ArrayPictures(pictures, labels, NAMES, ["train"] * 50_000 + ["test"] * 10_000)


def grey(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """[n, 3, H, W] as [n, 1, H, W], by Rec. 601's weights in thousandths, as Pillow and torchvision have them."""
    red, green, blue = (pictures[:, channel].astype(np.int32) for channel in range(3))
    return ((299 * red + 587 * green + 114 * blue + 500) // 1000).astype(np.uint8)[:, None]


def _download(target: Path, missing: DataMissing) -> Path:
    """Fetch the archive, check it, and extract its plain files."""
    archive = target / ARCHIVE
    try:
        if not archive.exists():
            with urllib.request.urlopen(f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}", timeout=20) as answer:
                write_atomically(archive, answer.read())
    except OSError as error:
        raise DataMissing(f"{missing}, and the download failed ({error})") from error
    if hashlib.md5(archive.read_bytes(), usedforsecurity=False).hexdigest() != ARCHIVE_MD5:
        archive.unlink()
        raise DataBroken(f"{ARCHIVE}: the download is not the released file (its MD5 differs); try again")
    with tarfile.open(archive) as opened:
        opened.extractall(target, filter="data")
    return target / BINARY


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[Cifar10Config]]:
    yield DatasetSpec(
        name="cifar10",
        version=1,
        summary="60,000 small photographs, 32x32 colour, 10 classes, official split",
        citation=CITATION,
        config=Cifar10Config,
        smoke=Cifar10Config(download=False),
        build=build,
        label_preserving="crop-flip",
        card=Card(
            licence="not stated by its authors",
            citation=CITATION,
            source="https://www.cs.toronto.edu/~kriz/cifar.html",
            obtain=f"get {ARCHIVE} from its page and extract it, or let sslbench do so where there is a network",
            checksums={ARCHIVE: ARCHIVE_MD5},
            counts={"": dict.fromkeys(NAMES, 6000)},
            modalities={"image": Modality(layout="image", shape=(3, 32, 32))},
        ),
    )
