"""Augmentations of MV-MR: data, no code. The role 'descriptor' is another view, which is neither gray nor blurred."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sslbench.api import AugmentationSpec, OperationStep, Setting, hookimpl
from sslbench_mvmr.citations import MV_MR

STL10_JITTER: Mapping[str, Setting] = {"brightness": 0.8, "contrast": 0.8, "saturation": 0.8, "hue": 0.2}
CIFAR_JITTER: Mapping[str, Setting] = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
OFF: Mapping[str, Setting] = {"p": 0.0}
STL10: Mapping[str, OperationStep] = {
    "crop": OperationStep(operation="random-resized-crop", settings={"scale": (0.08, 1.0)}),
    "flip": OperationStep(operation="horizontal-flip", p=0.5),
    "jitter": OperationStep(operation="color-jitter", p=0.8, settings=STL10_JITTER),
    "gray": OperationStep(operation="grayscale", p=0.2),
    "blur": OperationStep(operation="blur", p=1.0, settings={"sigma": (0.1, 2.0)}),
}
CIFAR: Mapping[str, OperationStep] = {
    "crop": OperationStep(operation="random-resized-crop", settings={"scale": (0.2, 1.0), "interpolation": "bicubic"}),
    "flip": OperationStep(operation="horizontal-flip", p=0.5),
    "jitter": OperationStep(operation="color-jitter", p=0.8, settings=CIFAR_JITTER),
    "gray": OperationStep(operation="grayscale", p=0.1),
}
BATCH: Mapping[str, OperationStep] = {
    "batch-crop": OperationStep(operation="batch-crop", p=0.0, settings={"scale": (0.08, 1.0)}),
    "batch-flip": OperationStep(operation="batch-flip", p=0.0),
    "batch-jitter": OperationStep(operation="batch-jitter", p=0.0, settings=STL10_JITTER),
}


@hookimpl
def sslbench_augmentations() -> Iterable[AugmentationSpec]:
    yield AugmentationSpec(
        name="mv-mr",
        version=1,
        summary="crop, flip, strong jitter, gray, always blur (MV-MR, section 4.1)",
        citation=MV_MR,
        operations=STL10,
        roles={"descriptor": {"gray": OFF, "blur": OFF}},
    )
    yield AugmentationSpec(
        name="mv-mr-released",
        version=1,
        summary="mv-mr with one draw per batch for the random descriptor, on pixels that are not normalized",
        citation=MV_MR,
        operations={**STL10, **BATCH},
        roles={"descriptor": {**dict.fromkeys(STL10, OFF), **{name: {"p": 1.0} for name in BATCH}}},
    )
    yield AugmentationSpec(
        name="mv-mr-cifar",
        version=1,
        summary="crop of at least a fifth, flip, jitter, some gray (released configuration of MV-MR for CIFAR-20)",
        citation=MV_MR,
        operations=CIFAR,
        roles={"descriptor": {"gray": OFF}},
    )
