"""Offer torchvision's ResNet, VGG and ConvNeXt, such as `torchvision-resnet18`, with stems for small images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from sslbench.api import BackboneSpec, NonNegativeInt, Setting, hookimpl, setting
from sslbench_vision.citations import TORCHVISION

RESNETS = ("resnet18", "resnet34", "resnet50", "resnet101", "resnet152")
VGGS = ("vgg11_bn", "vgg13_bn", "vgg16_bn", "vgg19_bn", "vgg11", "vgg13", "vgg16", "vgg19")
CONVNEXTS = ("convnext_tiny", "convnext_small", "convnext_base", "convnext_large")
PREFIX = "torchvision-"


@dataclass(frozen=True, slots=True, kw_only=True)
class TorchvisionConfig:
    """Settings of a torchvision model. A ResNet's small stem is 3x3 with stride 1 and no max-pool, a ConvNeXt's is 2x2."""

    model: str = setting("resnet18", "Name of the torchvision model.")
    stem: Literal["auto", "standard", "small"] = setting(
        "auto", "Stem of the network: 'small' keeps the resolution of small images; 'auto': small up to 64 px."
    )
    stem_padding: NonNegativeInt = setting(1, "Padding of a ResNet's small stem; 2 in solo-learn's CIFAR recipes.")
    zero_init: bool = setting(False, "Start every residual block of a ResNet as the identity.")


def reset_unused(config: TorchvisionConfig) -> TorchvisionConfig:
    """Reset settings that only a ResNet has, and the padding of a small stem if the stem is standard."""
    default, is_resnet = TorchvisionConfig(), config.model in RESNETS
    return replace(
        config,
        stem_padding=config.stem_padding if is_resnet and config.stem != "standard" else default.stem_padding,
        zero_init=config.zero_init if is_resnet else default.zero_init,
    )


def provides(config: TorchvisionConfig) -> frozenset[str]:
    """Return the capabilities beyond encoding."""
    return frozenset({"any-size", "maps", "depth"})


def resolve_name(name: str) -> Mapping[str, Setting] | None:
    """Return the settings for `torchvision-` and a model's name, or None for another name."""
    model = name.removeprefix(PREFIX)
    return {"model": model} if name.startswith(PREFIX) and model in (*RESNETS, *VGGS, *CONVNEXTS) else None


def members() -> Iterable[str]:
    """Return the names of all models."""
    return [PREFIX + model for model in (*RESNETS, *VGGS, *CONVNEXTS)]


def libraries(config: TorchvisionConfig) -> Iterable[str]:
    """Name the library that contains the networks."""
    return ("torchvision",)


@hookimpl
def sslbench_backbones() -> Iterable[BackboneSpec[TorchvisionConfig]]:
    yield BackboneSpec(
        name="torchvision",
        version=1,
        summary="torchvision's ResNet, VGG and ConvNeXt, such as torchvision-resnet18, with small-image stems",
        citation=TORCHVISION,
        config=TorchvisionConfig,
        smoke=TorchvisionConfig(),
        build="sslbench_vision.backbones.torchvision_model:TorchvisionEncoder",
        libraries=libraries,
        layouts=frozenset({"image"}),
        provides=provides,
        reset_unused=reset_unused,
        resolve_name=resolve_name,
        members=members,
    )
