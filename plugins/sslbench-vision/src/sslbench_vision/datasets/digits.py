"""scikit-learn's digits: 1,797 scans of 8x8 pixels, available without a download. Spec only; see `digits_reader`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sslbench.api import Citation, DatasetCard, DatasetSpec, Modality, hookimpl

CITATION = Citation(
    title="Optical Recognition of Handwritten Digits",
    authors="Alpaydin, Kaynak",
    year=1998,
    url="https://doi.org/10.24432/C50P49",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsConfig:
    """No settings."""


@hookimpl
def sslbench_datasets() -> Iterable[DatasetSpec[DigitsConfig]]:
    yield DatasetSpec(
        name="digits",
        version=1,
        summary="1,797 scans of written digits, 8x8 gray, 10 classes; ships with scikit-learn",
        citation=CITATION,
        config=DigitsConfig,
        smoke=DigitsConfig(),
        build="sslbench_vision.datasets.digits_reader:open_digits",
        label_preserving="crop",
        card=DatasetCard(
            license="as shipped by scikit-learn (BSD-3)",
            citation=CITATION,
            source="scikit-learn's load_digits (the test part of UCI's set)",
            obtain="it comes with scikit-learn",
            embedded=True,
            modalities={"image": Modality(layout="image", shape=(1, 8, 8))},
        ),
    )
