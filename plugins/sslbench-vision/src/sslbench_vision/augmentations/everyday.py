"""Define augmentations for everyday use."""

from __future__ import annotations

from collections.abc import Iterable

from sslbench.api import AugmentationSpec, OperationStep, hookimpl
from sslbench_vision.citations import MAE, SIMCLR, SSLBENCH

SETS = (
    AugmentationSpec(
        name="simclr",
        version=1,
        summary="crop, flip, strong color jitter, gray, blur (SimCLR, appendix A)",
        citation=SIMCLR,
        operations={
            "crop": OperationStep(operation="random-resized-crop", settings={"interpolation": "bicubic"}),
            "flip": OperationStep(operation="horizontal-flip", p=0.5),
            "jitter": OperationStep(
                operation="color-jitter",
                p=0.8,
                settings={"brightness": 0.8, "contrast": 0.8, "saturation": 0.8, "hue": 0.2},
            ),
            "gray": OperationStep(operation="grayscale", p=0.2, random_key="grey"),
            "blur": OperationStep(operation="blur", p=0.5),
        },
    ),
    AugmentationSpec(
        name="crop-flip",
        version=1,
        summary="crop of at least a fifth of the area and flip (MAE, section 4)",
        citation=MAE,
        operations={
            "crop": OperationStep(
                operation="random-resized-crop", settings={"scale": (0.2, 1.0), "interpolation": "bicubic"}
            ),
            "flip": OperationStep(operation="horizontal-flip", p=0.5),
        },
    ),
    AugmentationSpec(
        name="crop",
        version=1,
        summary="crop of at least two fifths of the area; keeps labels that a flip would change (digits)",
        citation=SSLBENCH,
        operations={"crop": OperationStep(operation="random-resized-crop", settings={"scale": (0.4, 1.0)})},
    ),
    AugmentationSpec(
        name="small-objects",
        version=1,
        summary="gray or colored objects in any orientation: crop, rotation, flip, brightness and contrast; "
        "with invert.p=0.5 for cameras with opposite backgrounds",
        citation=SSLBENCH,
        operations={
            "crop": OperationStep(operation="random-resized-crop", settings={"scale": (0.3, 1.0)}),
            "rotation": OperationStep(operation="rotation", settings={"degrees": 180.0}),
            "flip": OperationStep(operation="horizontal-flip", p=0.5),
            "jitter": OperationStep(
                operation="color-jitter",
                p=0.8,
                settings={"brightness": 0.4, "contrast": 0.4, "saturation": 0.2, "hue": 0.05},
            ),
            "invert": OperationStep(operation="invert", p=0.0),
        },
        roles={"weak": {"jitter": {"p": 0.0}}},
    ),
    AugmentationSpec(
        name="digits",
        version=1,
        summary="written digits: small rotation and shear, crop, brightness and contrast; no flip",
        citation=SSLBENCH,
        operations={
            "affine": OperationStep(
                operation="affine", settings={"degrees": 20.0, "translate": (0.1, 0.1), "shear": 10.0}
            ),
            "crop": OperationStep(operation="random-resized-crop", settings={"scale": (0.4, 1.0)}),
            "jitter": OperationStep(
                operation="color-jitter", p=0.8, settings={"brightness": 0.4, "contrast": 0.4, "saturation": 0.0}
            ),
        },
    ),
    AugmentationSpec(
        name="factor-shapes",
        version=2,
        summary="for the dataset factor-shapes: shift and light, which are not factors; "
        "hue, rotation, size and blur, each of which removes one factor, have probability 0 by default",
        citation=SSLBENCH,
        operations={
            "move": OperationStep(operation="translation", settings={"share": (0.1, 0.1)}),
            "light": OperationStep(
                operation="color-jitter",
                p=0.8,
                settings={"brightness": 0.3, "contrast": 0.3, "saturation": 0.0, "hue": 0.0},
            ),
            "hue": OperationStep(
                operation="color-jitter",
                p=0.0,
                settings={"brightness": 0.0, "contrast": 0.0, "saturation": 0.0, "hue": 0.5},
            ),
            "rotation": OperationStep(operation="rotation", p=0.0, settings={"degrees": 180.0}),
            "size": OperationStep(
                operation="affine",
                p=0.0,
                settings={"degrees": 0.0, "translate": (0.0, 0.0), "scale": (0.8, 1.25), "shear": 0.0, "fill": "edge"},
            ),
            "blur": OperationStep(operation="blur", p=0.0, settings={"sigma": (0.5, 2.0), "kernel": 11}),
        },
    ),
)


@hookimpl
def sslbench_augmentations() -> Iterable[AugmentationSpec]:
    return SETS
