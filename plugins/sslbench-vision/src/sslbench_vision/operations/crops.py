"""Crops: random-resized, centered, and padding (a crop larger than the image). Specs only; see `crops_operation`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from sslbench.api import (
    Layout,
    NonNegativeFloat,
    NonNegativeInt,
    OperationSpec,
    PositiveFloat,
    Range,
    Shapes,
    Share,
    Span,
    hookimpl,
)
from sslbench_vision.citations import TORCHVISION


@dataclass(frozen=True, slots=True, kw_only=True)
class RandomResizedCropConfig:
    """Cut a box of a random share of the area (above 1: beyond the padded edge) and ratio, and resize it.

    `size` 0 is the size at which images are encoded. The share and the ratio are of the scene, in its own proportions.
    """

    size: NonNegativeInt = 0
    scale: Span[PositiveFloat] = (0.08, 1.0)
    ratio: Span[PositiveFloat] = (0.75, 1.3333333333333333)
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"


@dataclass(frozen=True, slots=True, kw_only=True)
class CenterCropConfig:
    """Cut the middle box of a share of the side, and resize it."""

    size: NonNegativeInt = 0
    share: Annotated[float, Range(above=0, at_most=1)] = 0.875
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"


@dataclass(frozen=True, slots=True, kw_only=True)
class PadConfig:
    """Add a border of a random share of the side, filled with one value, and resize to what it was."""

    share: Span[NonNegativeFloat] = (0.1, 0.4)
    fill: Share = 0.0


def resize_shapes(config: RandomResizedCropConfig | CenterCropConfig, shapes: Shapes) -> Shapes:
    """Images become squares of `size`."""
    size = config.size
    return {n: (s[0], size, size) if len(s) == 3 and size else s for n, s in shapes.items()}


@hookimpl
def sslbench_operations() -> Iterable[OperationSpec]:  # type: ignore[type-arg]
    image: frozenset[Layout] = frozenset({"image"})
    yield OperationSpec(
        name="random-resized-crop", version=1, summary="cut a random box and resize it, antialiased",
        citation=TORCHVISION, config=RandomResizedCropConfig, smoke=RandomResizedCropConfig(),
        build="sslbench_vision.operations.crops_operation:RandomResizedCrop",
        layouts=image, shapes=resize_shapes,
    )  # fmt: skip
    yield OperationSpec(
        name="center-crop", version=1, summary="cut the middle and resize it", citation=TORCHVISION,
        config=CenterCropConfig, smoke=CenterCropConfig(),
        build="sslbench_vision.operations.crops_operation:CenterCrop", layouts=image, shapes=resize_shapes, random=False,
    )  # fmt: skip
    yield OperationSpec(
        name="pad", version=1, summary="add a border and resize to what it was", citation=TORCHVISION,
        config=PadConfig, smoke=PadConfig(),
        build="sslbench_vision.operations.crops_operation:pad_operation", layouts=image,
    )  # fmt: skip
