"""Register the study of this package, a YAML file in this folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sslbench.api import StudySpec, hookimpl
from sslbench_mvmr.citations import MV_MR


@hookimpl
def sslbench_studies() -> Iterable[StudySpec]:
    yield StudySpec(
        name="mv-mr",
        version=1,
        summary="losses, descriptors, augmentations and projectors of MV-MR",
        citation=MV_MR,
        file=Path(__file__).parent / "mv_mr.yaml",
    )
