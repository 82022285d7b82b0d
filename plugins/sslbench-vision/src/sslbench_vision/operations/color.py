"""Color jitter, gray, solarize and invert. Specs only; see `color_operation`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated

from sslbench.api import NonNegativeFloat, OperationSpec, Range, Share, hookimpl, setting
from sslbench.api.defaults import accept_all
from sslbench_vision.citations import TORCHVISION
from sslbench_vision.operations.image_range import check_unit_range

IMPLEMENTATIONS = "sslbench_vision.operations.color_operation"
OLD_NAMES = {"color-jitter": ("colour-jitter",), "grayscale": ("grey",), "solarize": ("solarise",)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ColorJitterConfig:
    """Limits and probabilities of four changes, applied in random order; saturation and hue need three channels."""

    brightness: NonNegativeFloat = setting(0.4, "Limit x of the brightness factor, drawn from [max(0, 1 - x), 1 + x].")
    contrast: NonNegativeFloat = setting(0.4, "Limit x of the contrast factor, drawn from [max(0, 1 - x), 1 + x].")
    saturation: NonNegativeFloat = setting(
        0.4, "Limit x of the saturation factor, drawn from [max(0, 1 - x), 1 + x]; three channels only."
    )
    hue: Annotated[float, Range(at_least=0, at_most=0.5)] = setting(
        0.1, "Limit of the hue shift, as a fraction of the color circle in either direction."
    )
    brightness_p: Share = setting(1.0, "Probability of changing the brightness.")
    contrast_p: Share = setting(1.0, "Probability of changing the contrast.")
    saturation_p: Share = setting(1.0, "Probability of changing the saturation.")
    hue_p: Share = setting(1.0, "Probability of changing the hue.")


@dataclass(frozen=True, slots=True, kw_only=True)
class GrayConfig:
    """No settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolarizeConfig:
    """Settings of solarization."""

    threshold: Share = setting(0.5, "Value in [0, 1] from which on pixels are inverted.")


@dataclass(frozen=True, slots=True, kw_only=True)
class InvertConfig:
    """No settings."""


@hookimpl
def sslbench_operations() -> Iterable[OperationSpec]:  # type: ignore[type-arg]
    for name, summary, config, function in (
        ("color-jitter", "change brightness, contrast, saturation and hue", ColorJitterConfig, "jitter"),
        ("grayscale", "remove the color, keep the channels", GrayConfig, "to_gray"),
        ("solarize", "invert bright values", SolarizeConfig, "solarize"),
        ("invert", "invert all values", InvertConfig, "invert"),
    ):
        yield OperationSpec(
            name=name, version=1, summary=summary, citation=TORCHVISION, config=config, smoke=config(),
            build=f"{IMPLEMENTATIONS}:{function}", layouts=frozenset({"image"}), random=config is ColorJitterConfig,
            check=accept_all if config is GrayConfig else check_unit_range,
            old_names=OLD_NAMES.get(name, ()),
        )  # fmt: skip
