"""Two ways to look at written digits, and at anything drawn: as what was written, and as how it was written. Data, no code.

Bendidi et al. 2023 (arXiv 2304.11718): under the first set clusters are digits, under the second styles of handwriting. How
often the first inverts, and what the second fills its border with, they do not say: half of the time, and black.
"""

from __future__ import annotations

from collections.abc import Iterable

from sslbench.api import AugmentationSpec, OperationStep, hookimpl
from sslbench_vision.citations import BIAS_STUDY

SETS = (
    AugmentationSpec(
        name="digit-views",
        version=1,
        summary="border, inversion, small rotation, small crops: what a digit is stays, how it is written goes",
        citation=BIAS_STUDY,
        operations={
            "border": OperationStep(operation="pad", settings={"share": (0.1, 0.4)}),
            "invert": OperationStep(operation="invert", p=0.5),
            "rotation": OperationStep(operation="rotation", settings={"degrees": 25.0}),
            "crop": OperationStep(operation="random-resized-crop", settings={"scale": (0.5, 0.9)}),
        },
    ),
    AugmentationSpec(
        name="style-views",
        version=1,
        summary="flips, any rotation, crops of the whole, erasing: what a digit is goes, how it is written stays",
        citation=BIAS_STUDY,
        operations={
            "flip": OperationStep(operation="horizontal-flip", p=0.5),
            "upset": OperationStep(operation="vertical-flip", p=0.5),
            "rotation": OperationStep(operation="rotation", settings={"degrees": 180.0}),
            "crop": OperationStep(operation="random-resized-crop", settings={"scale": (0.9, 1.1)}),
            "erase": OperationStep(operation="erase", p=0.5, settings={"scale": (0.02, 0.3)}),
        },
    ),
)


@hookimpl
def sslbench_augmentations() -> Iterable[AugmentationSpec]:
    return SETS
