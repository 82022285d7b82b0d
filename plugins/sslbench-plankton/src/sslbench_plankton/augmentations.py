"""The augmentation of the plankton MAE study: data, no code (arXiv 2503.11341)."""

from __future__ import annotations

from collections.abc import Iterable

from sslbench.api import Apply, AugmentationSpec, hookimpl
from sslbench_plankton.citations import PLANKTON_MAE


@hookimpl
def sslbench_augmentations() -> Iterable[AugmentationSpec]:
    yield AugmentationSpec(
        name="plankton",
        version=1,
        summary="crop of 40 to 100 % of the area, both flips (the plankton MAE study, section 3)",
        citation=PLANKTON_MAE,
        operations={
            "crop": Apply(operation="random-resized-crop", settings={"scale": (0.4, 1.0)}),
            "flip": Apply(operation="horizontal-flip", p=0.5),
            "upside-down": Apply(operation="vertical-flip", p=0.5),
        },
    )
