"""Scattering transform as a descriptor. Spec only; see `scattering_model`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sslbench.api import BackboneSpec, PlanContext, PositiveInt, hookimpl, setting
from sslbench_mvmr.citations import SCATTERING


@dataclass(frozen=True, slots=True, kw_only=True)
class ScatteringConfig:
    """Settings of the scattering transform of second order."""

    scales: PositiveInt = setting(2, "Number of scales J: positions are averaged over 2^J pixels.")
    angles: PositiveInt = setting(8, "Number of directions L.")


def provides(config: ScatteringConfig) -> frozenset[str]:
    """Return the capabilities beyond encoding."""
    return frozenset()


def padded_side(side: int, scales: int) -> int:
    """Return the side of an image with a margin of at least 2^scales / 2 pixels, a multiple of 2^scales."""
    unit: int = 2**scales
    return ((side + unit) // unit + 1) * unit


def check(config: ScatteringConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for images that are too small to be reflected at their border."""
    for side in [side for modality in context.modalities.values() for side in modality.sides if side]:
        margin = (padded_side(side, config.scales) - side + 1) // 2
        if margin >= side:
            problem = f"images of {side} px cannot be reflected by {margin} px"
            yield f"scales={config.scales}: {problem}. Lower scales, or raise view.size"
            return


@hookimpl
def sslbench_backbones() -> Iterable[BackboneSpec[ScatteringConfig]]:
    yield BackboneSpec(
        name="scattering",
        version=1,
        summary="scattering transform of second order, without parameters: 15,552 numbers at 32 px in color",
        citation=SCATTERING,
        config=ScatteringConfig,
        smoke=ScatteringConfig(scales=1, angles=2),
        build="sslbench_mvmr.descriptors.scattering_model:Scattering",
        layouts=frozenset({"image"}),
        provides=provides,
        check=check,
    )
