"""MNIST from its four idx files (gzipped or not), with slant and thickness of the strokes as columns."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sslbench.api import Citation, DatasetCard, DatasetSpec, Modality, hookimpl, setting

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
CLASS_COUNTS = (6903, 7877, 6990, 7141, 6824, 6313, 6876, 7293, 6825, 6958)
"""Scans of each digit in training and test part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MnistConfig:
    """Settings of MNIST."""

    root: Path | None = setting(None, "Folder with the four files; by default, `mnist` in the usual places.")


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[MnistConfig]]:
    yield DatasetSpec(
        name="mnist",
        version=2,
        summary="70,000 written digits, 28x28 gray, official split",
        citation=CITATION,
        config=MnistConfig,
        smoke=MnistConfig(),
        build="sslbench_vision.datasets.mnist_reader:open_mnist",
        label_preserving="crop",
        card=DatasetCard(
            license="not stated in the files; ask its authors",
            citation=CITATION,
            source="four idx files",
            formats=("idx",),
            obtain="put its four idx files (gzipped or not) into a folder 'mnist'",
            checksums=MD5,
            counts={"": dict(zip("0123456789", CLASS_COUNTS, strict=True))},
            modalities={"image": Modality(layout="image", shape=(1, 28, 28))},
        ),
    )
