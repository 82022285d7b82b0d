"""Crops: random-resized, centered, and padding (a crop larger than the image). Specs only; see `crops_operation`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from sslbench.api import (
    NonNegativeFloat,
    NonNegativeInt,
    OperationSpec,
    PositiveFloat,
    Range,
    Shapes,
    Share,
    Span,
    hookimpl,
    setting,
)
from sslbench_vision.citations import TORCHVISION


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomResizedCropConfig:
    """Settings of the random crop; area and ratio refer to the image in its own proportions."""

    size: NonNegativeInt = setting(0, "Side of the result in pixels; 0: the size at which images are encoded.")
    scale: Span[PositiveFloat] = setting(
        (0.08, 1.0), "Smallest and largest area of the box, as a fraction of the image; above 1: beyond its border."
    )
    ratio: Span[PositiveFloat] = setting(
        (0.75, 1.3333333333333333),
        "Smallest and largest ratio of width to height of the box, in the image's own proportions.",
    )
    interpolation: Literal["bilinear", "bicubic"] = setting("bilinear", "Interpolation of the resized crop.")


@dataclass(frozen=True, slots=True, kw_only=True)
class CenterCropConfig:
    """Settings of the center crop."""

    size: NonNegativeInt = setting(0, "Side of the result in pixels; 0: the size at which images are encoded.")
    share: Annotated[float, Range(above=0, at_most=1)] = setting(
        0.875, "Side of the box as a fraction of the image's side."
    )
    interpolation: Literal["bilinear", "bicubic"] = setting("bilinear", "Interpolation of the resized crop.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PadConfig:
    """Settings of padding: a border of one value, resized to the original size."""

    share: Span[NonNegativeFloat] = setting(
        (0.1, 0.4), "Smallest and largest width of the border, as a fraction of the image's side."
    )
    fill: Share = setting(0.0, "Value of the border, in [0, 1].")


def resize_shapes(config: RandomResizedCropConfig | CenterCropConfig, shapes: Shapes) -> Shapes:
    """Return the shapes after the crop: squares of `size`."""
    size = config.size
    return {n: (s[0], size, size) if len(s) == 3 and size else s for n, s in shapes.items()}


@hookimpl
def sslbench_operations() -> Iterable[OperationSpec]:  # type: ignore[type-arg]
    image: frozenset[str] = frozenset({"image"})
    yield OperationSpec(
        name="random-resized-crop", version=1, summary="cut a random box and resize it, antialiased",
        citation=TORCHVISION, config=RandomResizedCropConfig, smoke=RandomResizedCropConfig(),
        build="sslbench_vision.operations.crops_operation:RandomResizedCrop",
        layouts=image, shapes=resize_shapes, places="updated",
    )  # fmt: skip
    yield OperationSpec(
        name="center-crop", version=1, summary="cut the middle and resize it", citation=TORCHVISION,
        config=CenterCropConfig, smoke=CenterCropConfig(),
        build="sslbench_vision.operations.crops_operation:CenterCrop", layouts=image, shapes=resize_shapes, random=False,
        places="updated", old_names=("centre-crop",),
    )  # fmt: skip
    yield OperationSpec(
        name="pad", version=1, summary="add a border and resize to the original size", citation=TORCHVISION,
        config=PadConfig, smoke=PadConfig(),
        build="sslbench_vision.operations.crops_operation:pad_operation", layouts=image, places="updated",
    )  # fmt: skip
