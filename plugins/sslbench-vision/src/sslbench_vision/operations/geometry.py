"""Flips, rotation, translation, shear and affine maps. Specs only; see `geometry_operation`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

from sslbench.api import OperationSpec, PositiveFloat, Range, Share, Span, hookimpl, setting
from sslbench_vision.citations import TORCHVISION

IMPLEMENTATIONS = "sslbench_vision.operations.geometry_operation"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipConfig:
    """No settings; the augmentation sets the probability."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationConfig:
    """Settings of the rotation."""

    degrees: Annotated[float, Range(at_least=0, at_most=360)] = setting(
        180.0, "Largest rotation in degrees, in either direction."
    )
    fill: Share | Literal["edge"] = setting(
        "edge", "Value of pixels outside the image, in [0, 1]; 'edge': the nearest pixel of the image."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationConfig:
    """Settings of the translation."""

    share: tuple[Share, Share] = setting(
        (0.1, 0.1), "Largest shift as fractions of width and height, in either direction."
    )
    fill: Share | Literal["edge"] = setting(
        "edge", "Value of pixels outside the image, in [0, 1]; 'edge': the nearest pixel of the image."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ShearConfig:
    """Settings of the shear."""

    degrees: Annotated[float, Range(at_least=0, below=90)] = setting(
        10.0, "Largest shear along x in degrees, in either direction."
    )
    fill: Share | Literal["edge"] = setting(
        "edge", "Value of pixels outside the image, in [0, 1]; 'edge': the nearest pixel of the image."
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AffineConfig:
    """Settings of the affine map, about the center."""

    degrees: Annotated[float, Range(at_least=0, at_most=360)] = setting(
        20.0, "Largest rotation in degrees, in either direction."
    )
    translate: tuple[Share, Share] = setting(
        (0.1, 0.1), "Largest shift as fractions of width and height, in either direction."
    )
    scale: Span[PositiveFloat] = setting((1.0, 1.0), "Smallest and largest scale factor.")
    shear: Annotated[float, Range(at_least=0, below=90)] = setting(
        10.0, "Largest shear along x in degrees, in either direction."
    )
    fill: Share | Literal["edge"] = setting(
        "edge", "Value of pixels outside the image, in [0, 1]; 'edge': the nearest pixel of the image."
    )


@hookimpl
def sslbench_operations() -> Iterable[OperationSpec]:  # type: ignore[type-arg]
    for name, summary, config, function in (
        ("horizontal-flip", "mirror left and right", FlipConfig, "flip_horizontally"),
        ("vertical-flip", "mirror top and bottom", FlipConfig, "flip_vertically"),
        ("rotation", "rotate about the center", RotationConfig, "rotation"),
        ("translation", "shift along x and y", TranslationConfig, "translation"),
        ("shear", "shear along x", ShearConfig, "shear"),
        ("affine", "rotate, shift, scale and shear at once", AffineConfig, "affine"),
    ):
        yield OperationSpec(
            name=name, version=1, summary=summary, citation=TORCHVISION, config=config, smoke=config(),
            build=f"{IMPLEMENTATIONS}:{function}", layouts=frozenset({"image"}), random=config is not FlipConfig,
            places="updated" if config is FlipConfig else "unknown",
        )  # fmt: skip
