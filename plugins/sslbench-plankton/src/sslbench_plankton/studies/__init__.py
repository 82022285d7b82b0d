"""Register the studies of this package: YAML files in this folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sslbench.api import StudySpec, hookimpl
from sslbench_plankton.citations import CROSS_MODAL, PLANKTON_MAE

HERE = Path(__file__).parent


@hookimpl
def sslbench_studies() -> Iterable[StudySpec]:
    yield StudySpec(
        name="plankton-mae",
        version=1,
        summary="what an MAE should learn from before it is fine-tuned on few labels of a plankton instrument",
        citation=PLANKTON_MAE,
        file=HERE / "plankton_mae.yaml",
    )
    yield StudySpec(
        name="cross-modal-plankton",
        version=1,
        summary="an image and an optical pulse of every particle: recognition by a small gallery, in and across modalities",
        citation=CROSS_MODAL,
        file=HERE / "cross_modal_plankton.yaml",
    )
