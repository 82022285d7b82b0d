"""Offer every timm model by its timm name. timm is imported only when a request names one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sslbench.api import BackboneSpec, PlanContext, Setting, hookimpl, setting
from sslbench_vision.backbones.timm_names import has_stages, is_convolutional, is_eva, is_vit, names
from sslbench_vision.citations import TIMM

TRANSFORMER = frozenset({"tokens", "masked-tokens", "layers", "maps", "depth", "drop-path"})
"""Capabilities of vision transformers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimmConfig:
    """Settings of a timm model, which is built without its head for the channels and size of the images."""

    model: str = setting("resnet18", "Name of the timm model.")
    any_size: bool = setting(
        False, "Interpolate a vision transformer's positions for images of any size, as local views need."
    )
    published: bool = setting(False, "Start from timm's published weights and normalize images as they require.")
    repeat_gray: bool = setting(False, "Repeat images of one channel to three channels; implied by `published`.")


def provides(config: TimmConfig) -> frozenset[str]:
    """Return the capabilities; only vision transformers can encode a part of the patches."""
    if is_vit(config.model) or is_eva(config.model):
        positions = ["learned-positions"] if is_vit(config.model) else []
        return TRANSFORMER | {*positions, *(["any-size"] if config.any_size else [])}
    if has_stages(config.model):
        return frozenset({"any-size", "maps"})
    return frozenset({"any-size"}) if is_convolutional(config.model) else frozenset()


def check(config: TimmConfig, context: PlanContext) -> Iterable[str]:
    """Yield a problem for image sizes that the patch size in the model's name does not divide."""
    for modality in context.modalities.values():
        for word in config.model.split("_"):
            patch = word.removeprefix("patch")
            if word.startswith("patch") and patch.isdigit() and modality.shape[1] % int(patch):
                problem = (
                    f"{config.model!r} has patches of {patch} px, which do not divide images of {modality.shape[1]} px"
                )
                yield f"{problem}. Set view.size to a multiple of {patch}"


def without_weights(config: TimmConfig) -> TimmConfig:
    """Return the same network, with a first layer of the same shape, and random weights."""
    return replace(config, published=False, repeat_gray=config.repeat_gray or config.published)


def reset_unused(config: TimmConfig) -> TimmConfig:
    """Reset settings that only vision transformers have, and those that `published` implies."""
    return replace(
        config,
        any_size=config.any_size and (is_vit(config.model) or is_eva(config.model)),
        repeat_gray=config.repeat_gray and not config.published,
    )


def resolve_name(name: str) -> Mapping[str, Setting] | None:
    """Return the settings for a timm name, or None for another name."""
    return {"model": name} if name in names() else None


def members() -> Iterable[str]:
    """Return all timm names."""
    return names()


def libraries(config: TimmConfig) -> Iterable[str]:
    """Name the library that contains the networks."""
    return ("timm",)


@hookimpl
def sslbench_backbones() -> Iterable[BackboneSpec[TimmConfig]]:
    yield BackboneSpec(
        name="timm",
        version=4,
        summary="every timm model by its timm name, such as resnet18 or vit_tiny_patch16_224",
        citation=TIMM,
        config=TimmConfig,
        smoke=TimmConfig(model="resnet10t"),
        build="sslbench_vision.backbones.timm_model:timm_encoder",
        libraries=libraries,
        check=check,
        layouts=frozenset({"image"}),
        provides=provides,
        reset_unused=reset_unused,
        without_weights=without_weights,
        resolve_name=resolve_name,
        members=members,
    )
