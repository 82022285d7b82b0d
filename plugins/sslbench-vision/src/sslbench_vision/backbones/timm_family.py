"""Every timm model by its timm name: one line in `list`, resolved when a request names one. timm is imported only then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from sslbench.api import BackboneSpec, PlanContext, Setting, hookimpl, setting
from sslbench_vision.backbones.timm_names import is_convolutional, is_vit, names
from sslbench_vision.citations import TIMM


@dataclass(frozen=True, slots=True, kw_only=True)
class TimmConfig:
    """The timm model's name; its head is left out and it is built for the images' channels and size.

    With `any_size` a vision transformer's positions are stretched to whatever it is given, as local views need it. With
    `published` it starts from timm's published weights and normalizes images with the statistics that these were trained
    with. With `repeat_gray`, which `published` implies, images of one channel are repeated to three.
    """

    model: str = setting("resnet18", "Name of the timm model.")
    any_size: bool = setting(
        False, "Interpolate a vision transformer's positions for images of any size, as local views need."
    )
    published: bool = setting(False, "Start from timm's published weights and normalize images as they require.")
    repeat_gray: bool = setting(False, "Repeat images of one channel to three channels; implied by `published`.")


def provides(config: TimmConfig) -> frozenset[str]:
    """Vision transformers can look at some patches only."""
    if is_vit(config.model):
        return frozenset(
            {"tokens", "depth", "drop-path", "learned-positions", *(["any-size"] if config.any_size else [])}
        )
    return frozenset({"any-size"}) if is_convolutional(config.model) else frozenset()


def check(config: TimmConfig, facts: PlanContext) -> Iterable[str]:
    """Say which patch sizes cannot work; the name carries them."""
    for modality in facts.modalities.values():
        for word in config.model.split("_"):
            patch = word.removeprefix("patch")
            if word.startswith("patch") and patch.isdigit() and modality.shape[1] % int(patch):
                yield f"{modality.shape[1]} px is not a multiple of {config.model!r}'s patch of {patch}; set view.size"


def without_weights(config: TimmConfig) -> TimmConfig:
    """The same network, with a first layer of the same shape, from random weights."""
    return replace(config, published=False, repeat_gray=config.repeat_gray or config.published)


def reset_unused(config: TimmConfig) -> TimmConfig:
    """Reset what only a vision transformer has, and what published weights imply."""
    return replace(
        config,
        any_size=config.any_size and is_vit(config.model),
        repeat_gray=config.repeat_gray and not config.published,
    )


def resolve_name(name: str) -> Mapping[str, Setting] | None:
    """Answer to timm's names."""
    return {"model": name} if name in names() else None


def members() -> Iterable[str]:
    """All of timm's names."""
    return names()


def libraries(config: TimmConfig) -> Iterable[str]:
    """Name the library that holds the networks."""
    return ("timm",)


@hookimpl
def sslbench_backbones() -> Iterable[BackboneSpec[TimmConfig]]:
    yield BackboneSpec(
        name="timm",
        version=3,
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
