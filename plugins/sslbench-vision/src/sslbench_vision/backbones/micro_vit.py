"""A vision transformer small enough to train in seconds on two cores. Spec only; the implementation is `micro_vit_model`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sslbench.api import BackboneSpec, NonNegativeInt, PlanContext, PositiveInt, hookimpl, setting
from sslbench_vision.citations import VIT


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroVitConfig:
    """Patch side in pixels (0: about an eighth of the image's side, at least 2), depth, width, heads, and the feature."""

    patch: NonNegativeInt = setting(
        0, "Side of a patch in pixels; 0: the divisor of the image's side nearest to an eighth of it."
    )
    depth: PositiveInt = setting(4, "Transformer blocks.")
    width: PositiveInt = setting(128, "Width of the tokens and features; a multiple of 4 and of `heads`.")
    heads: PositiveInt = setting(4, "Attention heads.")
    pool: Literal["mean", "class"] = setting(
        "mean", "Feature of an image: mean of its patch tokens, or the class token."
    )


def patch_of(config: MicroVitConfig, side: int) -> int:
    """The patch's side for a image's side: unless it is set, the divisor from 2 on that is nearest to an eighth."""
    divisors = [d for d in range(2, side + 1) if side % d == 0]
    return config.patch or min(divisors, key=lambda d: abs(d - side / 8), default=2)


def check(config: MicroVitConfig, facts: PlanContext) -> Iterable[str]:
    """Say which sizes cannot work."""
    for modality in facts.modalities.values():
        side = modality.shape[1]
        patch = patch_of(config, side)
        if side % patch:
            yield f"{side} px is not a multiple of backbone.patch = {patch}"
    if config.width % config.heads or config.width % 4:
        yield f"backbone.width = {config.width} must be a multiple of 4 and of backbone.heads = {config.heads}"


def provides(config: MicroVitConfig) -> frozenset[str]:
    """What it can do beyond encoding."""
    return frozenset({"tokens", "depth", "drop-path"})


@hookimpl
def sslbench_backbones() -> Iterable[BackboneSpec[MicroVitConfig]]:
    yield BackboneSpec(
        name="micro-vit",
        version=2,
        summary="vision transformer of 4 blocks x 128, fixed positions: trains in seconds on two cores",
        citation=VIT,
        config=MicroVitConfig,
        smoke=MicroVitConfig(depth=1, width=16, heads=2),
        build="sslbench_vision.backbones.micro_vit_model:MicroVit",
        check=check,
        layouts=frozenset({"image"}),
        provides=provides,
    )
