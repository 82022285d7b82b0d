"""Flips, rotation, translation, shear and affine maps. Specs only; see `geometry_operation`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from sslbench.api import OperationParts, OperationSpec, PositiveFloat, Range, Share, Span, hookimpl
from sslbench_vision.citations import TORCHVISION

if TYPE_CHECKING:
    from sslbench.api.modules import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class FlipConfig:
    """Nothing to set; how often is the augmentation's probability."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationConfig:
    """Rotate by up to `degrees` either way; outside is `fill`, or the nearest edge."""

    degrees: Annotated[float, Range(at_least=0, at_most=360)] = 180.0
    fill: Share | Literal["edge"] = "edge"


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslationConfig:
    """Move by up to this share of width and height either way."""

    share: tuple[Share, Share] = (0.1, 0.1)
    fill: Share | Literal["edge"] = "edge"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShearConfig:
    """Shear along x by up to `degrees` either way."""

    degrees: Annotated[float, Range(at_least=0, below=90)] = 10.0
    fill: Share | Literal["edge"] = "edge"


@dataclass(frozen=True, slots=True, kw_only=True)
class AffineConfig:
    """Rotate, move, scale and shear at once, about the centre."""

    degrees: Annotated[float, Range(at_least=0, at_most=360)] = 20.0
    translate: tuple[Share, Share] = (0.1, 0.1)
    scale: Span[PositiveFloat] = (1.0, 1.0)
    shear: Annotated[float, Range(at_least=0, below=90)] = 10.0
    fill: Share | Literal["edge"] = "edge"


def build_horizontal(config: FlipConfig, parts: OperationParts) -> Operation:
    """Reach the implementation."""
    from sslbench_vision.operations.geometry_operation import flip

    return flip(parts, 3)


def build_vertical(config: FlipConfig, parts: OperationParts) -> Operation:
    """Reach the implementation."""
    from sslbench_vision.operations.geometry_operation import flip

    return flip(parts, 2)


def build_rotation(config: RotationConfig, parts: OperationParts) -> Operation:
    """Reach the implementation."""
    return build_affine(AffineConfig(degrees=config.degrees, translate=(0, 0), shear=0, fill=config.fill), parts)


def build_translation(config: TranslationConfig, parts: OperationParts) -> Operation:
    """Reach the implementation."""
    return build_affine(AffineConfig(degrees=0, translate=config.share, shear=0, fill=config.fill), parts)


def build_shear(config: ShearConfig, parts: OperationParts) -> Operation:
    """Reach the implementation."""
    return build_affine(AffineConfig(degrees=0, translate=(0, 0), shear=config.degrees, fill=config.fill), parts)


def build_affine(config: AffineConfig, parts: OperationParts) -> Operation:
    """Reach the implementation."""
    from sslbench_vision.operations.geometry_operation import affine

    return affine(config, parts)


@hookimpl
def sslbench_operations() -> Iterable[OperationSpec]:  # type: ignore[type-arg]
    for name, summary, config, build in (
        ("horizontal-flip", "mirror left and right", FlipConfig, build_horizontal),
        ("vertical-flip", "mirror top and bottom", FlipConfig, build_vertical),
        ("rotation", "rotate about the centre", RotationConfig, build_rotation),
        ("translation", "move sideways", TranslationConfig, build_translation),
        ("shear", "shear along x", ShearConfig, build_shear),
        ("affine", "rotate, move, scale and shear at once", AffineConfig, build_affine),
    ):
        yield OperationSpec(
            name=name, version=1, summary=summary, citation=TORCHVISION, config=config, smoke=config(),
            build=build, layouts=frozenset({"image"}), random=config is not FlipConfig,
        )  # fmt: skip
