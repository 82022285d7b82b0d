"""Vision transformer that trains in seconds on two cores. Spec only; see `micro_vit_model`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sslbench.api import BackboneSpec, NonNegativeInt, PlanContext, PositiveInt, hookimpl, setting
from sslbench_vision.citations import VIT


@dataclass(frozen=True, slots=True, kw_only=True)
class MicroVitConfig:
    """Settings of the micro ViT."""

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
    """Return the side of patches for a side of images; by default its divisor of at least 2 nearest to an eighth."""
    divisors = [d for d in range(2, side + 1) if side % d == 0]
    return config.patch or min(divisors, key=lambda d: abs(d - side / 8), default=2)


def check(config: MicroVitConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for every size that cannot work."""
    for modality in context.modalities.values():
        side = modality.shape[1]
        patch = patch_of(config, side)
        if side % patch:
            yield f"backbone.patch={patch}: does not divide images of {side} px. Set a divisor, or a multiple as view.size"
    if config.width % config.heads or config.width % 4:
        yield f"backbone.width={config.width}: must be a multiple of 4 and of backbone.heads={config.heads}"


def provides(config: MicroVitConfig) -> frozenset[str]:
    """Return the capabilities beyond encoding."""
    return frozenset({"tokens", "masked-tokens", "layers", "maps", "depth", "drop-path"})


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
