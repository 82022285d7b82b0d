"""Gaussian blur and random erasing. Specs only; see `blur_erase_operation`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sslbench.api import (
    Layout,
    NonNegativeFloat,
    NonNegativeInt,
    OperationSpec,
    PositiveFloat,
    Share,
    Span,
    hookimpl,
)
from sslbench_vision.citations import TORCHVISION


@dataclass(frozen=True, slots=True, kw_only=True)
class BlurConfig:
    """Deviation in pixels, drawn per sample; the kernel's width in pixels (odd; 0: a tenth of the side)."""

    sigma: Span[NonNegativeFloat] = (0.1, 2.0)
    kernel: NonNegativeInt = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseConfig:
    """Fill a box of a random share of the area with one value."""

    scale: Span[Share] = (0.02, 0.33)
    ratio: Span[PositiveFloat] = (0.3, 3.3)
    fill: Share = 0.0


@hookimpl
def sslbench_operations() -> Iterable[OperationSpec]:  # type: ignore[type-arg]
    image: frozenset[Layout] = frozenset({"image"})
    yield OperationSpec(
        name="blur", version=1, summary="Gaussian blur", citation=TORCHVISION, config=BlurConfig, smoke=BlurConfig(),
        build="sslbench_vision.operations.blur_erase_operation:blur", layouts=image,
    )  # fmt: skip
    yield OperationSpec(
        name="erase", version=1, summary="fill a random box", citation=TORCHVISION, config=EraseConfig,
        smoke=EraseConfig(), build="sslbench_vision.operations.blur_erase_operation:erase", layouts=image,
    )  # fmt: skip
