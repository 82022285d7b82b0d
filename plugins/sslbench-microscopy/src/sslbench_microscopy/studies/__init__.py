"""Register the studies of this package: YAML files in this folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sslbench.api import StudySpec, hookimpl
from sslbench_microscopy.citations import BIAS_STUDY

HERE = Path(__file__).parent


@hookimpl
def sslbench_studies() -> Iterable[StudySpec]:
    yield StudySpec(
        name="clustering-cells",
        version=1,
        summary="which ways of looking at a cell make clusters of what it is",
        citation=BIAS_STUDY,
        file=HERE / "clustering_cells.yaml",
    )
