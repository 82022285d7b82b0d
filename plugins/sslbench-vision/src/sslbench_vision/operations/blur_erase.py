"""Gaussian blur and random erasing. Specs only; see `blur_erase_operation`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sslbench.api import (
    NonNegativeFloat,
    NonNegativeInt,
    OperationSpec,
    PositiveFloat,
    Share,
    Span,
    hookimpl,
    setting,
)
from sslbench_vision.citations import TORCHVISION


@dataclass(frozen=True, slots=True, kw_only=True)
class BlurConfig:
    """Settings of the blur, whose standard deviation is drawn per sample."""

    sigma: Span[NonNegativeFloat] = setting(
        (0.1, 2.0), "Smallest and largest standard deviation of the blur in pixels."
    )
    kernel: NonNegativeInt = setting(0, "Width of the kernel in pixels, made odd; 0: a tenth of the image's side.")


@dataclass(frozen=True, slots=True, kw_only=True)
class EraseConfig:
    """Settings of erasing, which fills a random box with one value."""

    scale: Span[Share] = setting((0.02, 0.33), "Smallest and largest area of the box, as a fraction of the image.")
    ratio: Span[PositiveFloat] = setting((0.3, 3.3), "Smallest and largest ratio of width to height of the box.")
    fill: Share = setting(0.0, "Value of the box, in [0, 1].")


@hookimpl
def sslbench_operations() -> Iterable[OperationSpec]:  # type: ignore[type-arg]
    image: frozenset[str] = frozenset({"image"})
    yield OperationSpec(
        name="blur", version=1, summary="Gaussian blur", citation=TORCHVISION, config=BlurConfig, smoke=BlurConfig(),
        build="sslbench_vision.operations.blur_erase_operation:blur", layouts=image,
    )  # fmt: skip
    yield OperationSpec(
        name="erase", version=1, summary="fill a random box", citation=TORCHVISION, config=EraseConfig,
        smoke=EraseConfig(), build="sslbench_vision.operations.blur_erase_operation:erase", layouts=image,
    )  # fmt: skip
