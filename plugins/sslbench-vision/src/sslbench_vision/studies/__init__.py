"""Register the studies of this package, which are YAML files in this folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sslbench.api import StudySpec, hookimpl
from sslbench_vision.citations import BIAS_STUDY, MAE

HERE = Path(__file__).parent


STUDIES = (
    ("masking", "fraction of hidden patches and width of the encoder, on scans of digits", MAE),
    (
        "clustering-views",
        "clusters of MNIST with augmentations that keep the digit, or the style of the handwriting",
        BIAS_STUDY,
    ),
    ("augmentation-bias", "effect of one augmentation setting on every class, by method", BIAS_STUDY),
)


@hookimpl
def sslbench_studies() -> Iterable[StudySpec]:
    for name, summary, citation in STUDIES:
        file = HERE / f"{name.replace('-', '_')}.yaml"
        yield StudySpec(name=name, version=1, summary=summary, citation=citation, file=file)
