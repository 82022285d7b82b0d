"""Studies that come with this package: YAML files beside this module."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sslbench.api import StudySpec, hookimpl
from sslbench_vision.citations import MAE

HERE = Path(__file__).parent


@hookimpl
def sslbench_studies() -> Iterable[StudySpec]:
    yield StudySpec(
        name="masking",
        version=1,
        summary="share of hidden patches against the encoder's width, on scans of digits",
        citation=MAE,
        file=HERE / "masking.yaml",
    )
