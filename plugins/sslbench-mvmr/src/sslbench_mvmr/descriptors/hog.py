"""Histograms of oriented gradients as a descriptor. Spec only; see `hog_model`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sslbench.api import BackboneSpec, PlanContext, PositiveInt, hookimpl, setting
from sslbench_mvmr.citations import HOG

Binning = Literal["linear", "released"]
Gradient = Literal["sobel", "central"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HogConfig:
    """Settings of the histograms, which are not normalized by blocks."""

    bins: PositiveInt = setting(24, "Bins over half a turn: opposite gradients are in the same bin.")
    cell: PositiveInt = setting(8, "Side of a cell in pixels.")
    gradient: Gradient = setting("sobel", "Gradient of a pixel: by Sobel filters, or the difference of its neighbors.")
    binning: Binning = setting(
        "linear",
        "Share of the two nearest bins: 'linear' in the angle; 'released': the lower bin gets the magnitude m and the upper "
        "1 - m, as in the released code of MV-MR.",
    )


def provides(config: HogConfig) -> frozenset[str]:
    """Return the capabilities beyond encoding."""
    return frozenset()


def check(config: HogConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for images that are smaller than a cell."""
    sides = [side for modality in context.modalities.values() for side in modality.sides if 0 < side < config.cell]
    if sides:
        yield f"cell={config.cell}: images of {min(sides)} px have no whole cell. Lower cell, or raise view.size"


@hookimpl
def sslbench_backbones() -> Iterable[BackboneSpec[HogConfig]]:
    yield BackboneSpec(
        name="hog",
        version=1,
        summary="histograms of oriented gradients, without parameters: 1,152 numbers at 32 px in color",
        citation=HOG,
        config=HogConfig,
        smoke=HogConfig(bins=4, cell=4),
        build="sslbench_mvmr.descriptors.hog_model:Hog",
        layouts=frozenset({"image"}),
        provides=provides,
        check=check,
    )
