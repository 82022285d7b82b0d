"""Define two augmentations of written digits: one keeps the digit, the other the style of the handwriting.

Bendidi et al. 2023 (arXiv 2304.11718): clusters are digits with the first set and styles of handwriting with the second.
They do not state how often the first inverts nor how the second fills its border: here half of the time, and black.
"""

from __future__ import annotations

from collections.abc import Iterable

from sslbench.api import AugmentationSpec, OperationStep, hookimpl
from sslbench_vision.citations import BIAS_STUDY

SETS = (
    AugmentationSpec(
        name="digit-views",
        version=1,
        summary="border, inversion, small rotation, small crops: keeps the digit, removes its style",
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
        summary="flips, any rotation, crops of the whole, erasing: keeps the style, removes the digit",
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
