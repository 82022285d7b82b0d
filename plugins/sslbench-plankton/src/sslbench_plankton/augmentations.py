"""Augmentations of the plankton MAE study (arXiv 2503.11341) and the cross-modal one (2603.16427): data, no code."""

from __future__ import annotations

from collections.abc import Iterable

from sslbench.api import AugmentationSpec, OperationStep, Setting, hookimpl
from sslbench_plankton.citations import CROSS_MODAL, PLANKTON_MAE

TOGETHER = {
    "turn": OperationStep(operation="mirror-together", p=0.5),
    "crop": OperationStep(operation="random-resized-crop", settings={"scale": (0.8, 1.0)}),
    "jitter": OperationStep(
        operation="color-jitter",
        settings={"brightness": 0.2, "contrast": 0.2, "saturation": 0.0, "hue": 0.0},
    ),
    "upside-down": OperationStep(operation="vertical-flip", p=0.5),
    "bands": OperationStep(operation="band-scale", p=0.5),
    "lost-bands": OperationStep(operation="band-drop", p=0.25),
    "window": OperationStep(operation="time-crop"),
}
"""One particle seen twice: turned round in both at once, then a crop and light, bands and a window of time."""


@hookimpl
def sslbench_augmentations() -> Iterable[AugmentationSpec]:
    yield AugmentationSpec(
        name="plankton",
        version=1,
        summary="crop of 40 to 100 % of the area, both flips (the plankton MAE study, section 3)",
        citation=PLANKTON_MAE,
        operations={
            "crop": OperationStep(operation="random-resized-crop", settings={"scale": (0.4, 1.0)}),
            "flip": OperationStep(operation="horizontal-flip", p=0.5),
            "upside-down": OperationStep(operation="vertical-flip", p=0.5),
        },
    )
    yield AugmentationSpec(
        name="cross-modal",
        version=1,
        summary="an image and a profile of one particle, turned round together; crop, light, bands, a window of time",
        citation=CROSS_MODAL,
        operations=TOGETHER,
    )
    yield AugmentationSpec(
        name="mismatched-pairs",
        random_key="strangers",
        old_names=("strangers",),
        version=1,
        summary="negative control: cross-modal, with each image paired with another particle's profile",
        citation=CROSS_MODAL,
        operations={"mismatch": OperationStep(operation="mismatched-pairs", random_key="strangers"), **TOGETHER},
    )
    jitter: dict[str, Setting] = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.0, "hue": 0.0}
    yield AugmentationSpec(
        name="cross-modal-dino",
        version=1,
        summary="the image-only baseline's two global and many local crops, jitter, blur, solarizing of the second",
        citation=CROSS_MODAL,
        operations={
            "crop": OperationStep(operation="random-resized-crop", settings={"scale": (0.4, 1.0)}),
            "flip": OperationStep(operation="horizontal-flip", p=0.5),
            "jitter": OperationStep(operation="color-jitter", p=0.8, settings=jitter),
            "gray": OperationStep(operation="grayscale", p=0.2, random_key="grey"),
            "blur": OperationStep(operation="blur", p=1.0),
            "solarize": OperationStep(operation="solarize", p=0.0, random_key="solarise"),
        },
        roles={
            "global": {"blur": {"p": (1.0, 0.1)}, "solarize": {"p": (0.0, 0.2)}},
            "local": {"crop": {"scale": (0.1, 0.4), "size": 96}, "blur": {"p": 0.5}},
        },
    )
