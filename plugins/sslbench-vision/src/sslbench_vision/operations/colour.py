"""Colour jitter, grey, solarise and invert. Specs only; see `colour_operation`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from sslbench.api import NonNegativeFloat, OperationParts, OperationSpec, Range, Share, hookimpl
from sslbench_vision.citations import TORCHVISION

if TYPE_CHECKING:
    from sslbench.api.modules import Operation


@dataclass(frozen=True, slots=True, kw_only=True)
class ColourJitterConfig:
    """Factors from [1 - x, 1 + x], hue shifts from [-hue, hue], each with its own probability, in random order.

    Pictures of one channel have no saturation or hue to change.
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
class GreyConfig:
    """Nothing to set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolariseConfig:
    """Values from the threshold on are inverted."""

    threshold: Share = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class InvertConfig:
    """Nothing to set."""


def build_jitter(config: ColourJitterConfig, parts: OperationParts) -> Operation:
    """Reach the implementation."""
    from sslbench_vision.operations.colour_operation import jitter

    return jitter(config, parts)


def build_grey(config: GreyConfig, parts: OperationParts) -> Operation:
    """Reach the implementation."""
    from sslbench_vision.operations.colour_operation import to_grey

    return to_grey(parts)


def build_solarise(config: SolariseConfig, parts: OperationParts) -> Operation:
    """Reach the implementation."""
    from sslbench_vision.operations.colour_operation import solarise

    return solarise(config.threshold, parts)


def build_invert(config: InvertConfig, parts: OperationParts) -> Operation:
    """Reach the implementation."""
    from sslbench_vision.operations.colour_operation import solarise

    return solarise(0.0, parts)


@hookimpl
def sslbench_operations() -> Iterable[OperationSpec]:  # type: ignore[type-arg]
    for name, summary, config, build in (
        ("colour-jitter", "change brightness, contrast, saturation and hue", ColourJitterConfig, build_jitter),
        ("grey", "take the colour away, keep the channels", GreyConfig, build_grey),
        ("solarise", "invert bright values", SolariseConfig, build_solarise),
        ("invert", "invert all values", InvertConfig, build_invert),
    ):
        yield OperationSpec(
            name=name, version=1, summary=summary, citation=TORCHVISION, config=config, smoke=config(),
            build=build, layouts=frozenset({"image"}), random=config is ColourJitterConfig,
        )  # fmt: skip
