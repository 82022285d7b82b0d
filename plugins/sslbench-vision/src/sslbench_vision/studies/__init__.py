"""Studies that come with this package: YAML files beside this module."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sslbench.api import StudySpec, hookimpl
from sslbench_vision.citations import BIAS_STUDY, MAE

HERE = Path(__file__).parent


STUDIES = (
    ("masking", "share of hidden patches against the encoder's width, on scans of digits", MAE),
    ("clustering-views", "what k-means finds in MNIST under views that keep the digit, or the handwriting", BIAS_STUDY),
    ("augmentation-bias", "what one augmentation setting does to every class, method by method", BIAS_STUDY),
)


@hookimpl
def sslbench_studies() -> Iterable[StudySpec]:
    for name, summary, citation in STUDIES:
        file = HERE / f"{name.replace('-', '_')}.yaml"
        yield StudySpec(name=name, version=1, summary=summary, citation=citation, file=file)
