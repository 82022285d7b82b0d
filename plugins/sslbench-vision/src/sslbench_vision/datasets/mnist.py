"""MNIST from its four idx files, gzipped or not, with the slant and the thickness of each scan's strokes as columns."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sslbench.api import Card, Citation, DataBroken, DataMissing, Dataset, DatasetSpec, Modality, Source, hookimpl
from sslbench.api.files import find

CITATION = Citation(
    title="Gradient-Based Learning Applied to Document Recognition",
    authors="LeCun, Bottou, Bengio, Haffner",
    year=1998,
    url="http://yann.lecun.com/exdb/mnist/",
)
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
MD5 = {
    FILES[0]: "6bbc9ace898e44ae57da46a324031adb",
    FILES[1]: "a25bea736e30d166cdddb491f175f624",
    FILES[2]: "2646ac647ad5339dbf082846283269ea",
    FILES[3]: "27ae3e4e09519cfbb04c329615203637",
}
KNOWN = (6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958)
"""Scans of each digit, training and test part together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MnistConfig:
    """Where the files are, if not in a folder `mnist` of the usual places."""

    root: Path | None = None


def read_idx(folder: Path, name: str) -> NDArray[np.uint8]:
    """Read one idx file and check its digest; raises DataMissing or DataBroken."""
    for path in (folder / f"{name}.gz", folder / name, folder / "raw" / name, folder / "MNIST" / "raw" / name):
        if path.exists():
            content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
            if hashlib.md5(content, usedforsecurity=False).hexdigest() != MD5[name]:
                raise DataBroken(f"{path} is not the released file (its MD5 differs); fetch it again")
            dimensions = content[3]
            shape = tuple(int.from_bytes(content[4 + 4 * i : 8 + 4 * i], "big") for i in range(dimensions))
            return np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions).reshape(shape)
    raise DataMissing(f"no {name} or {name}.gz in {folder}")


def build(config: MnistConfig, source: Source) -> Dataset:
    """Open the four files."""
    from sslbench_vision.datasets.labelled import ArrayPictures
    from sslbench_vision.datasets.strokes import slant, thickness

    folder = find(source, ["mnist", "MNIST"])
    train, train_labels, test, test_labels = (read_idx(folder, name) for name in FILES)
    pictures = np.concatenate([train, test])[:, None]
    labels = np.concatenate([train_labels, test_labels]).astype(np.int64)
    split = np.array(["train"] * len(train) + ["test"] * len(test))
    ink = pictures[:, 0] / 255
    written = {"slant": slant(ink), "thickness": thickness(ink)}
    columns = {name: np.array([f"{value:.3f}" for value in values]) for name, values in written.items()}
    return ArrayPictures(pictures, labels, tuple("0123456789"), {"split": split, **columns})


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[MnistConfig]]:
    yield DatasetSpec(
        name="mnist",
        version=2,
        summary="70,000 written digits, 28x28 grey, official split",
        citation=CITATION,
        config=MnistConfig,
        smoke=MnistConfig(),
        build=build,
        label_preserving="crop",
        card=Card(
            licence="not stated in the files; ask its authors",
            citation=CITATION,
            source="four idx files",
            formats=("idx",),
            obtain="put its four idx files (gzipped or not) into a folder 'mnist'",
            checksums=MD5,
            counts={"": dict(zip("0123456789", KNOWN, strict=True))},
            modalities={"image": Modality(layout="image", shape=(1, 28, 28))},
        ),
    )
