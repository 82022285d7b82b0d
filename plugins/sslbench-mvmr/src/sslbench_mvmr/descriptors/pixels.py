"""Normalized pixels as a descriptor. Spec only; see `pixels_model`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sslbench.api import BackboneSpec, hookimpl
from sslbench_mvmr.citations import MV_MR


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelsConfig:
    """Settings of pixels: there are none."""


def provides(config: PixelsConfig) -> frozenset[str]:
    """Return the capabilities beyond encoding."""
    return frozenset()


@hookimpl
def sslbench_backbones() -> Iterable[BackboneSpec[PixelsConfig]]:
    yield BackboneSpec(
        name="pixels",
        version=1,
        summary="the normalized pixels, without parameters: 3,072 numbers at 32 px in color",
        citation=MV_MR,
        config=PixelsConfig,
        smoke=PixelsConfig(),
        build="sslbench_mvmr.descriptors.pixels_model:Pixels",
        layouts=frozenset({"image"}),
        provides=provides,
    )
