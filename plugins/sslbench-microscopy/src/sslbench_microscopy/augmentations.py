"""Four ways to look at a cell: data, no code (Bendidi et al. 2023, arXiv 2304.11718, section 5 and appendix B).

The paper does not state the probability of flips in the two K = 4 sets; 0.5 is used. A rotation of up to 360 degrees
either way is any rotation. Nothing is filled with black: what is not there is the nearest edge.
"""

from __future__ import annotations

from collections.abc import Iterable

from sslbench.api import AugmentationSpec, OperationStep, hookimpl
from sslbench_microscopy.citations import BIAS_STUDY

JITTER = OperationStep(
    operation="color-jitter", settings={"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.125}
)
AFFINE = OperationStep(operation="affine", settings={"degrees": 20.0, "translate": (0.1, 0.1), "shear": 10.0})
ROTATION = OperationStep(operation="rotation", settings={"degrees": 360.0})
WHOLE = OperationStep(operation="random-resized-crop", settings={"scale": (0.9, 1.1)})
MIDDLE = OperationStep(operation="center-crop", settings={"share": 0.5})
FLIPS = {
    "flip": OperationStep(operation="horizontal-flip", p=0.5),
    "upset": OperationStep(operation="vertical-flip", p=0.5),
}

SETS = {
    "cells-affine": (
        "small affine maps, jitter, crops of the whole (first row of the paper's AMI table)",
        {"affine": AFFINE, "jitter": JITTER, "crop": WHOLE},
    ),
    "cells-rotation": (
        "small affine maps, jitter, any rotation (second row of the paper's AMI table)",
        {"affine": AFFINE, "jitter": JITTER, "rotation": ROTATION},
    ),
    "cells-whole": (
        "jitter, flips, any rotation, small affine maps, crops of the whole (left of the paper's figure of four clusters)",
        {"jitter": JITTER, **FLIPS, "rotation": ROTATION, "affine": AFFINE, "crop": WHOLE},
    ),
    "cells-middle": (
        "jitter, flips, any rotation, the middle half of the side (right of the paper's figure of four clusters)",
        {"jitter": JITTER, **FLIPS, "rotation": ROTATION, "crop": MIDDLE},
    ),
}


@hookimpl
def sslbench_augmentations() -> Iterable[AugmentationSpec]:
    for name, (summary, operations) in SETS.items():
        yield AugmentationSpec(name=name, version=1, summary=summary, citation=BIAS_STUDY, operations=operations)
