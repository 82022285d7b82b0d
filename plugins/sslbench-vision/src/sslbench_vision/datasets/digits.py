"""scikit-learn's digits: 1,797 real scans of 8x8 pixels that come with a dependency. The data that always runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from sslbench.api import Card, Citation, Dataset, DatasetSpec, Modality, Source, hookimpl

CITATION = Citation(
    title="Optical Recognition of Handwritten Digits",
    authors="Alpaydin, Kaynak",
    year=1998,
    url="https://doi.org/10.24432/C50P49",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsConfig:
    """Nothing to set."""


def build(config: DigitsConfig, source: Source) -> Dataset:
    """Load the scans, 0 to 16 stretched to 0 to 255."""
    from sklearn.datasets import load_digits

    from sslbench_vision.datasets.labelled import ArrayPictures

    loaded = load_digits()
    pictures = np.round(loaded.images * (255 / 16)).astype(np.uint8)[:, None]
    return ArrayPictures(pictures, loaded.target.astype(np.int64), tuple("0123456789"), {})


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[DigitsConfig]]:
    yield DatasetSpec(
        name="digits",
        version=1,
        summary="1,797 scans of written digits, 8x8 grey, 10 classes; ships with scikit-learn",
        citation=CITATION,
        config=DigitsConfig,
        smoke=DigitsConfig(),
        build=build,
        label_preserving="crop",
        card=Card(
            licence="as shipped by scikit-learn (BSD-3)",
            citation=CITATION,
            source="scikit-learn's load_digits (the test part of UCI's set)",
            obtain="it comes with scikit-learn",
            embedded=True,
            modalities={"image": Modality(layout="image", shape=(1, 8, 8))},
        ),
    )
