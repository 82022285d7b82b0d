"""STL-10 in its binary layout, with its ten official folds; see `stl10_reader`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sslbench.api import Citation, DatasetCard, DatasetSpec, Modality, hookimpl, setting

PAGE = "https://cs.stanford.edu/~acoates/stl10/"
CITATION = Citation(
    title="An Analysis of Single-Layer Networks in Unsupervised Feature Learning",
    authors="Coates, Ng, Lee",
    year=2011,
    url=PAGE,
)
NAMES = ("airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck")
"""Classes in the released order: label 1 is the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stl10Config:
    """Settings of STL-10."""

    root: Path | None = setting(None, "Folder with the .bin files; by default, `stl10_binary` in the usual places.")
    unlabeled: bool = setting(True, "Read the 100,000 unlabeled images too, as training images without labels.")
    official_folds: bool = setting(
        False, "Use the ten published folds of 1,000 labeled images; else all 5,000 are the training images."
    )


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[Stl10Config]]:
    yield DatasetSpec(
        name="stl10",
        version=1,
        summary="113,000 photographs, 96x96 color, 10 classes; 100,000 have no label",
        citation=CITATION,
        config=Stl10Config,
        smoke=Stl10Config(),
        build="sslbench_mvmr.datasets.stl10_reader:open_stl10",
        label_preserving="crop-flip",
        card=DatasetCard(
            license="not stated by its authors; the images are ImageNet's",
            citation=CITATION,
            source=PAGE,
            obtain=f"download stl10_binary.tar.gz from {PAGE} and extract it",
            formats=("stl10",),
            counts={"": dict.fromkeys(NAMES, 1300)},
            modalities={"image": Modality(layout="image", shape=(3, 96, 96))},
        ),
    )
