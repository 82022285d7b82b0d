"""Color jitter, gray, solarize and invert. Specs only; see `color_operation`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from sslbench.api import NonNegativeFloat, OperationSpec, Range, Share, hookimpl
from sslbench_vision.citations import TORCHVISION

IMPLEMENTATIONS = "sslbench_vision.operations.color_operation"


@dataclass(frozen=True, slots=True, kw_only=True)
class ColorJitterConfig:
    """Factors from [1 - x, 1 + x], hue shifts from [-hue, hue], each with its own probability, in random order.

    Images of one channel have no saturation or hue to change.
    """

    brightness: NonNegativeFloat = 0.4
    contrast: NonNegativeFloat = 0.4
    saturation: NonNegativeFloat = 0.4
    hue: Annotated[float, Range(at_least=0, at_most=0.5)] = 0.1
    brightness_p: Share = 1.0
    contrast_p: Share = 1.0
    saturation_p: Share = 1.0
    hue_p: Share = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class GrayConfig:
    """Nothing to set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolarizeConfig:
    """Values from the threshold on are inverted."""

    threshold: Share = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class InvertConfig:
    """Nothing to set."""


@hookimpl
def sslbench_operations() -> Iterable[OperationSpec]:  # type: ignore[type-arg]
    for name, summary, config, function in (
        ("color-jitter", "change brightness, contrast, saturation and hue", ColorJitterConfig, "jitter"),
        ("grayscale", "take the color away, keep the channels", GrayConfig, "to_gray"),
        ("solarize", "invert bright values", SolarizeConfig, "solarize"),
        ("invert", "invert all values", InvertConfig, "invert"),
    ):
        yield OperationSpec(
            name=name, version=1, summary=summary, citation=TORCHVISION, config=config, smoke=config(),
            build=f"{IMPLEMENTATIONS}:{function}", layouts=frozenset({"image"}), random=config is ColorJitterConfig,
        )  # fmt: skip
